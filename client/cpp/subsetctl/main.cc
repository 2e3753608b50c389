#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"
#include "client/cpp/subsetctl/subsetctl.h"

namespace {

// The width of the terminal on stdout; 0 if it is none. COLUMNS goes before.
int Columns() {
  int columns = 0;
  const char* text = std::getenv("COLUMNS");
  if (text != nullptr && absl::SimpleAtoi(text, &columns) && columns > 0) return columns;
  winsize size{};
  if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    return size.ws_col;
  }
  return 0;
}

bool NoColor() {
  const char* text = std::getenv("NO_COLOR");
  return text != nullptr && *text != '\0';
}

}  // namespace

int main(int argc, char** argv) {
  subset::ctl::Console console{std::cin, std::cout, std::cerr};
  console.columns = Columns();
  console.rich = isatty(STDOUT_FILENO) == 1 && !NoColor();
  console.show_progress = isatty(STDERR_FILENO) == 1;
  const int code =
      subset::ctl::RunSubsetctl(std::vector<std::string>(argv + 1, argv + argc), console);
  std::cout.flush();
  if (!std::cout && code == 0) {
    std::cerr
        << "error: stdout cannot be written\nnext: check the disk or the pipe, and run it again\n";
    return 1;
  }
  return code;
}
