// Where subsetctl reads and writes: the process's streams, or a test's.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_CONSOLE_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_CONSOLE_H_

#include <istream>
#include <ostream>

namespace subset::ctl {

struct Console {
  std::istream& in;
  std::ostream& out;  // data only
  std::ostream& err;  // everything else
  // Lines of tables are cut to this many characters; 0: never.
  int columns = 0;
  // Bold titles and block characters: out is a terminal and NO_COLOR is not set.
  bool rich = false;
  bool show_progress = false;  // err is a terminal
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_CONSOLE_H_
