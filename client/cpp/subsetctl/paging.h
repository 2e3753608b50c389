// Turning the pages of a list.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_PAGING_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_PAGING_H_

#include "absl/status/statusor.h"
#include "subset/client.h"

namespace subset::ctl {

// Calls `method` of `client` until the last page and returns all pages as one response.
template <class Request, class Response>
absl::StatusOr<Response> ListAll(Client& client, Request request,
                                 absl::StatusOr<Response> (Client::*method)(const Request&,
                                                                            Client::Timeout)) {
  Response all;
  while (true) {
    auto page = (client.*method)(request, {});
    if (!page.ok()) return page.status();
    const std::string next = page->next_page_token();
    page->clear_next_page_token();
    all.MergeFrom(*page);
    if (next.empty()) return all;
    request.set_page_token(next);
  }
}

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_PAGING_H_
