#include "tests/server/serving.h"

#include <prometheus/text_serializer.h>

#include <cstdlib>

namespace subset {

std::string MetricsText(const prometheus::Collectable& collectable) {
  return prometheus::TextSerializer().Serialize(collectable.Collect());
}

double SeriesValue(const std::string& text, const std::string& series) {
  const size_t at = ("\n" + text).find("\n" + series + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(text.c_str() + at + series.size(), nullptr);
}

}  // namespace subset
