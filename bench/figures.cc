#include "bench/figures.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_join.h"

namespace subset::bench {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void WriteRows(const std::string& path, const std::string& benchmark,
               const std::vector<std::string>& rows) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << "{\"benchmark\": \"" << benchmark << "\", \"rows\": [\n"
       << absl::StrJoin(rows, ",\n") << "\n]}\n";
  file.close();
  if (file.good()) return;
  std::fprintf(stderr, "%s cannot be written\n", path.c_str());
  std::exit(1);
}

}  // namespace subset::bench
