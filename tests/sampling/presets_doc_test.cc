// docs/strategies.md shows the table of presets the code has, between two markers.

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "sampling/presets.h"
#include "tests/testing/read_file.h"

namespace subset::sampling {
namespace {

std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }

std::string ParametersCell(const Preset& preset) {
  std::string cell;
  for (const PresetParameter& p : preset.parameters) {
    absl::StrAppend(&cell, cell.empty() ? "" : "<br>", "`", p.name, "` ",
                    p.default_value ? absl::StrCat("= ", *p.default_value) : "required", ", in ",
                    p.range, ": ", p.description);
  }
  for (const PresetColumn& c : preset.columns) {
    const std::string is =
        *c.default_column == '\0' ? "" : absl::StrCat(" = `", c.default_column, "`");
    absl::StrAppend(&cell, cell.empty() ? "" : "<br>", "column `", c.name, "`", is, ": ",
                    c.description);
  }
  return Cell(cell);
}

std::string Table() {
  std::string table =
      "| preset | parameters and columns | formula | unbiased for | source "
      "|\n|---|---|---|---|---|\n";
  for (const Preset& preset : Presets()) {
    absl::StrAppend(&table, "| `", preset.name, "` | ", ParametersCell(preset), " | ",
                    Cell(preset.formula), " | ", Cell(preset.unbiased_for), " | ",
                    Cell(preset.source), " |\n");
  }
  return table;
}

TEST(PresetsDocTest, TheTableInTheManualIsTheOneInTheCode) {
  const std::string doc = ReadFile(SUBSET_SOURCE_DIR "/docs/strategies.md");
  const std::string begin = "<!-- presets: checked against the code -->\n";
  const std::string end = "<!-- end of presets -->";
  const size_t first = doc.find(begin);
  const size_t last = doc.find(end);
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(last, std::string::npos);
  EXPECT_EQ(doc.substr(first + begin.size(), last - first - begin.size()), Table())
      << "put this between the markers of docs/strategies.md:\n"
      << Table();
}

}  // namespace
}  // namespace subset::sampling
