// What lies on disk for ever: every field of the log's records and of the images, with its number
// and type. A line may be added; one that changes or goes breaks every data directory.

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
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

std::string Format() {
  std::set<std::string> seen, lines;
  Describe(log::v1::Record::descriptor(), &seen, &lines);
  Describe(log::v1::CatalogHeader::descriptor(), &seen, &lines);
  Describe(log::v1::Catalog::descriptor(), &seen, &lines);
  Describe(log::v1::Chunk::descriptor(), &seen, &lines);
  Describe(log::v1::LiveBatch::descriptor(), &seen, &lines);
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return text;
}

TEST(FormatTest, FieldsOnDiskStayWhatTheyAre) {
  std::ifstream golden(SUBSET_SOURCE_DIR "/tests/engine/golden/format_v1.txt");
  std::stringstream expected;
  expected << golden.rdbuf();
  EXPECT_EQ(Format(), expected.str());
}

}  // namespace
}  // namespace subset
