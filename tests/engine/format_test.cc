// What lies on disk for ever: every field of the log's records and of the images, with its number
// and type. A line may be added; one that changes or goes breaks every data directory.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "subset/log/v1/image.pb.h"
#include "subset/log/v1/record.pb.h"

namespace subset {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void Describe(const google::protobuf::EnumDescriptor* type, std::set<std::string>* lines) {
  for (int i = 0; i < type->value_count(); ++i) {
    lines->insert(absl::StrCat(type->full_name(), " ", type->value(i)->name(), " = ",
                               type->value(i)->number()));
  }
}

void Describe(const Descriptor* type, std::set<std::string>* seen, std::set<std::string>* lines) {
  if (!seen->insert(type->full_name()).second) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    std::string kind = field->type_name();
    if (field->message_type() != nullptr) {
      kind = field->message_type()->full_name();
      Describe(field->message_type(), seen, lines);
    } else if (field->enum_type() != nullptr) {
      kind = field->enum_type()->full_name();
      Describe(field->enum_type(), lines);
    }
    lines->insert(absl::StrCat(type->full_name(), " ", field->number(), " = ",
                               field->is_repeated() ? "repeated " : "", kind, " ", field->name()));
  }
}

std::set<std::string> Format() {
  std::set<std::string> seen, lines;
  Describe(log::v1::Record::descriptor(), &seen, &lines);
  Describe(log::v1::CatalogHeader::descriptor(), &seen, &lines);
  Describe(log::v1::Catalog::descriptor(), &seen, &lines);
  Describe(log::v1::Chunk::descriptor(), &seen, &lines);
  Describe(log::v1::LiveBatch::descriptor(), &seen, &lines);
  return lines;
}

// The lines of `a` that are not in `b`.
std::string Without(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> lines;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(lines));
  return absl::StrJoin(lines, "\n");
}

TEST(FormatTest, FieldsOnDiskStayWhatTheyAre) {
  std::ifstream golden(SUBSET_SOURCE_DIR "/tests/engine/golden/format_v1.txt");
  std::set<std::string> kept;
  for (std::string line; std::getline(golden, line);) kept.insert(line);
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(Without(kept, Format()), "") << "fields on disk went or changed";
  EXPECT_EQ(Without(Format(), kept), "")
      << "new fields: add these lines, sorted, to the golden file";
}

}  // namespace
}  // namespace subset
