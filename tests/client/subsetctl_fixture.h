// subsetctl called as a function, against the fake server.

#ifndef SUBSET_TESTS_CLIENT_SUBSETCTL_FIXTURE_H_
#define SUBSET_TESTS_CLIENT_SUBSETCTL_FIXTURE_H_

#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "client/cpp/subsetctl/subsetctl.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/testing/temp_dir.h"

namespace subset::ctl {

class SubsetctlTest : public ::testing::Test {
 protected:
  struct Result {
    int code;
    std::string out;
    std::string err;
  };

  SubsetctlTest() {
    unsetenv("SUBSETCTL_ENDPOINT");
    unsetenv("SUBSETCTL_TIMEOUT");
  }

  // Runs without adding the endpoint.
  Result RunBare(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Console console{in, out, err};
    console.columns = columns_;
    console.rich = rich_;
    const int code = RunSubsetctl(arguments, console);
    return {code, out.str(), err.str()};
  }
  // `line` is split at blanks.
  Result Run(const std::string& line, const std::string& input = "") {
    std::vector<std::string> arguments = absl::StrSplit(line, ' ');
    arguments.insert(arguments.end(), {"--endpoint", server_.address()});
    return RunBare(arguments, input);
  }
  std::string Out(const std::string& line) {
    const Result result = Run(line);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name)) << text;
    return dir_.File(name);
  }
  void MakeRun() { Out("run create r --sampler d/s --global-batch-size 4 --seed 5"); }

  FakeServer server_;
  TempDir dir_;
  int columns_ = 0;
  bool rich_ = false;
};

}  // namespace subset::ctl

#endif  // SUBSET_TESTS_CLIENT_SUBSETCTL_FIXTURE_H_
