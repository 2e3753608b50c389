// What every benchmark does with its figures.

#ifndef SUBSET_BENCH_FIGURES_H_
#define SUBSET_BENCH_FIGURES_H_

#include <string>
#include <vector>

namespace subset::bench {

// The upper one of the two in the middle.
double Median(std::vector<double> values);

// Writes {"benchmark": name, "rows": [rows]} to `path`, rows being JSON objects; nothing without a
// path. Ends the process where the file cannot be written.
void WriteRows(const std::string& path, const std::string& benchmark,
               const std::vector<std::string>& rows);

}  // namespace subset::bench

#endif  // SUBSET_BENCH_FIGURES_H_
