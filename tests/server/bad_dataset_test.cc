#include "tests/server/bad_input.h"

#include <limits>

namespace subset {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_F(BadInputTest, NamesOutsideThePattern) {
  const std::string kNames[] = {"",
                                std::string(64, 'a'),
                                std::string(10240, 'a'),
                                "../x",
                                std::string("a\0b", 3),
                                "a\nb",
                                "UPPER",
                                "-a",
                                "a-",
                                "a b",
                                "\xd0\xb0"};  // a Cyrillic letter that looks like a
  for (const std::string& name : kNames) {
    Check({
        Invalid(
            "ImportDataset " + name,
            [&] { return Import([&](auto& m) { m[0].mutable_header()->set_dataset(name); }); },
            "header.dataset", "does not match [a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?"),
        Invalid(
            "a column " + name,
            [&] {
              return Import(
                  [&](auto& m) { m[0].mutable_header()->mutable_columns(0)->set_name(name); });
            },
            "header.columns[0].name", "does not match"),
        Invalid(
            "CreateSampler d/" + name,
            [&] {
              return CreateSampler([&](auto& r) {
                r.set_name("d/" + name);
                r.mutable_preset()->set_name("uniform");
              });
            },
            "name", "does not match"),
        Invalid(
            "CreateRun " + name, [&] { return CreateRun([&](auto& r) { r.set_name(name); }); },
            "name", "does not match"),
        Invalid(
            "a score column " + name,
            [&] {
              return Report(
                  [&](auto& r) { r.mutable_feedback(0)->mutable_values(0)->set_name(name); });
            },
            "feedback[0].values[0].name", "does not match"),
    });
  }
}

TEST_F(BadInputTest, Imports) {
  const auto import = [this](std::function<void(std::vector<v1::ImportDatasetRequest>&)> change) {
    return [this, change] {
      return Import([&](auto& messages) {
        messages[0].mutable_header()->set_dataset("fresh");
        change(messages);
      });
    };
  };
  Check({
      Invalid("no samples", import([](auto& m) { m[0].mutable_header()->set_num_samples(0); }),
              "header.num_samples", "0 is outside [1, 4294967296]"),
      Invalid("2^40 samples",
              import([](auto& m) { m[0].mutable_header()->set_num_samples(uint64_t{1} << 40); }),
              "header.num_samples", "1099511627776 is outside [1, 4294967296]"),
      Invalid("a column twice", import([](auto& m) {
                *m[0].mutable_header()->add_columns() = m[0].header().columns(0);
              }),
              "header.columns[1].name", "twice"),
      Invalid("a column of no type",
              import([](auto& m) { m[0].mutable_header()->mutable_columns(0)->clear_type(); }),
              "header.columns[0].type", "0 is not a type"),
      Invalid("a column of a type to come", import([](auto& m) {
                m[0].mutable_header()->mutable_columns(0)->set_type(
                    static_cast<v1::ColumnType>(99));
              }),
              "header.columns[0].type", "99 is not a type"),
      Invalid("an undeclared column",
              import([](auto& m) { m[1].mutable_chunk()->set_column("quality"); }), "chunk.column",
              "\"quality\" is not a column the header declares"),
      Invalid("out of order", import([](auto& m) { m[1].mutable_chunk()->set_first_sample(1); }),
              "chunk.first_sample", "1 is out of order"),
      Invalid("past the end", import([](auto& m) {
                m[1].mutable_chunk()->set_data(std::string(kSamples + 1, 'x'));
              }),
              "chunk.data", "past the 1000"),
      Invalid("an empty chunk", import([](auto& m) { m[1].mutable_chunk()->clear_data(); }),
              "chunk.data", "0 bytes"),
      Invalid("a chunk above 1 MiB", import([](auto& m) {
                m[0].mutable_header()->set_num_samples(2 << 20);
                m[1].mutable_chunk()->set_data(std::string((1 << 20) + 1, 'x'));
              }),
              "chunk.data", "1048577 bytes"),
      Invalid("half a value", import([](auto& m) {
                m[0].mutable_header()->mutable_columns(0)->set_type(v1::COLUMN_TYPE_UINT16);
                m[1].mutable_chunk()->set_data(std::string(3, 'x'));
              }),
              "chunk.data", "not a multiple of 2"),
      Invalid("labels of a column that has none",
              import([](auto& m) { m[0].mutable_header()->mutable_columns(0)->set_num_labels(1); }),
              "header.columns[0].num_labels", "1 is outside [0, 0]"),
      Invalid("a label set with a label twice", import([](auto& m) {
                auto* column = m[0].mutable_header()->mutable_columns(0);
                column->set_type(v1::COLUMN_TYPE_LABEL_SET);
                column->set_num_labels(2);
                m[1].mutable_chunk()->set_data(Bytes<uint32_t>({2, 7, 7}));
              }),
              "chunk.data", "label 7 after 7"),
      Invalid("truncated by one",
              import([](auto& m) { m[1].mutable_chunk()->set_data(std::string(999, 'x')); }),
              "chunk", "truncated"),
      Invalid("truncated before the first", import([](auto& m) { m.pop_back(); }), "chunk",
              "truncated"),
      {"infinite", import([](auto& m) {
         m[0].mutable_header()->mutable_columns(0)->set_type(v1::COLUMN_TYPE_FLOAT32);
         m[1].mutable_chunk()->set_data(Bytes<float>({1, -kInf}));
       }),
       Code::FAILED_PRECONDITION, "INFINITE_VALUE", "chunk.data", "sample 1"},
      {"create_only of one that exists",
       [this] { return Import([](auto& m) { m[0].mutable_header()->set_create_only(true); }); },
       Code::ALREADY_EXISTS, "ALREADY_EXISTS", "", "\"d\""},
      {"another number of samples",
       [this] { return Import([](auto& m) { m[0].mutable_header()->set_num_samples(999); }); },
       Code::FAILED_PRECONDITION, "NUM_SAMPLES_DIFFER", "header.num_samples", "1000"},
  });
}

}  // namespace
}  // namespace subset
