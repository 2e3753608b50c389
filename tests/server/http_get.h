// One HTTP GET on loopback.

#ifndef SUBSET_TESTS_SERVER_HTTP_GET_H_
#define SUBSET_TESTS_SERVER_HTTP_GET_H_

#include <string>

namespace subset {

// Returns the whole reply of 127.0.0.1:PORT to GET `path`, or "" if it does not answer. `address`
// is 127.0.0.1:PORT.
std::string HttpGet(const std::string& address, const std::string& path);

}  // namespace subset

#endif  // SUBSET_TESTS_SERVER_HTTP_GET_H_
