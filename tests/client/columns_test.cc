// Columns from files: what is read, and every way in which a file can be wrong.

#include <zlib.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cpp/columns/column_file.h"
#include "client/cpp/columns/idx.h"
#include "client/cpp/columns/npy.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/bytes.h"
#include "tests/testing/read_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset::columns {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
std::vector<T> Values(const ColumnValues& column) {
  std::vector<T> values(column.size());
  EXPECT_EQ(column.bytes().size(), values.size() * sizeof(T));
  std::memcpy(values.data(), column.bytes().data(), column.bytes().size());
  return values;
}

// A .npy file as numpy writes it: the dictionary padded with blanks to a multiple of 64.
std::string Npy(const std::string& dictionary, const std::string& data) {
  std::string text = dictionary;
  while ((10 + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  const auto size = static_cast<uint16_t>(text.size());
  return absl::StrCat(kNpyMagic, absl::string_view("\x01\x00", 2), Bytes<uint16_t>({size}), text,
                      data);
}
std::string Npy(const std::string& descr, uint64_t count, const std::string& data) {
  return Npy(
      absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", count, ",), }"),
      data);
}
std::string Idx(unsigned char type, unsigned char rank, uint32_t count, const std::string& data) {
  std::string file = {0, 0, static_cast<char>(type), static_cast<char>(rank)};
  for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(count >> shift & 0xFF);
  return file + data;
}

class ColumnsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes, const std::string& name = "file") {
    std::ofstream(dir_.File(name), std::ios::binary) << bytes;
    return dir_.File(name);
  }
  std::string WriteGzipped(const std::string& bytes) {
    gzFile file = gzopen(dir_.File("file.gz").c_str(), "wb");
    EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    gzclose(file);
    return dir_.File("file.gz");
  }
  absl::StatusOr<ColumnValues> One(const std::string& bytes,
                                   std::optional<v1::ColumnType> type = {},
                                   bool allow_missing = false) {
    auto columns = ReadColumnFile(Write(bytes), {{"label", "label", type}}, allow_missing);
    if (!columns.ok()) return columns.status();
    return (*columns)[0].values;
  }
  // The error for a column read from these bytes; its path is checked here.
  std::string Error(const std::string& bytes, std::optional<v1::ColumnType> type = {},
                    bool allow_missing = false) {
    const absl::Status status = One(bytes, type, allow_missing).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(dir_.File("file"))));
    return std::string(status.message());
  }

  TempDir dir_;
};

TEST_F(ColumnsTest, NpyOfEveryKindIsRead) {
  ASSERT_OK_AND_ASSIGN(ColumnValues u8, One(Npy("|u1", 3, "\x01\x02\xff")));
  EXPECT_EQ(u8.type(), v1::COLUMN_TYPE_UINT8);
  EXPECT_THAT(Values<uint8_t>(u8), ElementsAre(1, 2, 255));
  ASSERT_OK_AND_ASSIGN(ColumnValues flags, One(Npy("|b1", 2, std::string("\x01\x00", 2))));
  EXPECT_THAT(Values<uint8_t>(flags), ElementsAre(1, 0));
  ASSERT_OK_AND_ASSIGN(ColumnValues u16, One(Npy("<u2", 2, Bytes<uint16_t>({7, 65535}))));
  EXPECT_THAT(Values<uint16_t>(u16), ElementsAre(7, 65535));
  ASSERT_OK_AND_ASSIGN(ColumnValues u32, One(Npy("<u4", 1, Bytes<uint32_t>({4294967295u}))));
  EXPECT_THAT(Values<uint32_t>(u32), ElementsAre(4294967295u));
  ASSERT_OK_AND_ASSIGN(ColumnValues i32, One(Npy("<i4", 2, Bytes<int32_t>({-5, 5}))));
  EXPECT_EQ(i32.type(), v1::COLUMN_TYPE_INT64);
  EXPECT_THAT(Values<int64_t>(i32), ElementsAre(-5, 5));
  ASSERT_OK_AND_ASSIGN(ColumnValues i8, One(Npy("|i1", 1, "\xff")));
  EXPECT_THAT(Values<int64_t>(i8), ElementsAre(-1));
  ASSERT_OK_AND_ASSIGN(ColumnValues i16, One(Npy("<i2", 1, Bytes<int16_t>({-300}))));
  EXPECT_THAT(Values<int64_t>(i16), ElementsAre(-300));
  ASSERT_OK_AND_ASSIGN(ColumnValues f32, One(Npy("<f4", 2, Bytes<float>({0.5f, -2}))));
  EXPECT_THAT(Values<float>(f32), ElementsAre(0.5f, -2));
  ASSERT_OK_AND_ASSIGN(ColumnValues f64, One(Npy("<f8", 1, Bytes<double>({0.1}))));
  EXPECT_THAT(Values<double>(f64), ElementsAre(0.1));
  ASSERT_OK_AND_ASSIGN(ColumnValues u64, One(Npy("<u8", 1, Bytes<uint64_t>({9}))));
  EXPECT_THAT(Values<int64_t>(u64), ElementsAre(9));
}

TEST_F(ColumnsTest, NpyIsNarrowedToTheTypeAskedForOrRefused) {
  const std::string labels = Npy("<i8", 3, Bytes<int64_t>({0, 9, 255}));
  ASSERT_OK_AND_ASSIGN(ColumnValues narrow, One(labels, v1::COLUMN_TYPE_UINT8));
  EXPECT_THAT(Values<uint8_t>(narrow), ElementsAre(0, 9, 255));
  EXPECT_THAT(Error(Npy("<i8", 3, Bytes<int64_t>({0, 9, 256})), v1::COLUMN_TYPE_UINT8),
              HasSubstr("sample 2: 256 is outside u8's [0, 255]"));
  EXPECT_THAT(Error(Npy("<i8", 1, Bytes<int64_t>({-1})), v1::COLUMN_TYPE_UINT32),
              HasSubstr("sample 0: -1 is outside u32's"));
  EXPECT_THAT(Error(Npy("<u8", 1, Bytes<uint64_t>({uint64_t{1} << 63}))),
              HasSubstr("9223372036854775808 is outside i64"));
  ASSERT_OK_AND_ASSIGN(ColumnValues whole,
                       One(Npy("<f8", 2, Bytes<double>({3, 4})), v1::COLUMN_TYPE_UINT8));
  EXPECT_THAT(Values<uint8_t>(whole), ElementsAre(3, 4));
  EXPECT_THAT(Error(Npy("<f8", 1, Bytes<double>({3.5})), v1::COLUMN_TYPE_UINT8),
              HasSubstr("3.5 is no integer"));
  EXPECT_THAT(Error(Npy("<f8", 1, Bytes<double>({1e300})), v1::COLUMN_TYPE_FLOAT32),
              HasSubstr("too large for f32"));
  EXPECT_THAT(Error(Npy("<f8", 1, Bytes<double>({1e19})), v1::COLUMN_TYPE_INT64),
              HasSubstr("1e+19 is no integer"));
}

TEST_F(ColumnsTest, NpyWithPicklesStructuresOrForeignOrderIsRefused) {
  EXPECT_THAT(Error(Npy("|O", 3, "")), AllOf(HasSubstr("'|O'"), HasSubstr("pickle")));
  EXPECT_THAT(Error(Npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,), }", "")),
              HasSubstr("structure"));
  EXPECT_THAT(Error(Npy(">i8", 1, std::string(8, 0))), HasSubstr("'>i8' is big-endian"));
  EXPECT_THAT(
      Error(Npy("{'descr': '<i8', 'fortran_order': True, 'shape': (1,), }", std::string(8, 0))),
      HasSubstr("Fortran order"));
  for (const char* descr : {"<U5", "|S3", "<c8", "<f2", "<M8[ns]", "", "f4", "=i4", "<i3"}) {
    EXPECT_THAT(Error(Npy(descr, 1, std::string(16, 0))), HasSubstr("is none of")) << descr;
  }
}

TEST_F(ColumnsTest, NpyShapeMustBeOneValuePerSample) {
  const auto with_shape = [](const std::string& shape) {
    return Npy(absl::StrCat("{'descr': '|u1', 'fortran_order': False, 'shape': ", shape, ", }"),
               "abcd");
  };
  EXPECT_THAT(Error(with_shape("(2, 2)")), HasSubstr("shape (2, 2) is not (N,)"));
  EXPECT_THAT(Error(with_shape("()")), HasSubstr("shape () is not (N,)"));
  EXPECT_THAT(Error(with_shape("(5000000000,)")), HasSubstr("above 4294967296 samples"));
  EXPECT_THAT(Error(with_shape("(99999999999999999999999,)")), HasSubstr("bad shape"));
  EXPECT_THAT(Error(with_shape("(-4,)")), HasSubstr("bad shape"));
  EXPECT_THAT(Error(with_shape("(4.0,)")), HasSubstr("bad shape"));
  EXPECT_THAT(Error(with_shape("4")), HasSubstr("no tuple"));
}

TEST_F(ColumnsTest, NpyThatLiesAboutItsLengthIsRefused) {
  EXPECT_THAT(Error(Npy("<f8", 3, std::string(23, 0))),
              HasSubstr("truncated: the header promises 3 values of 8 bytes, 23 bytes"));
  EXPECT_THAT(Error(Npy("<f8", 3, std::string(25, 0))), HasSubstr("goes on after the 3 values"));
  // Four billion promised, none there: no memory is taken for the promise.
  EXPECT_THAT(Error(Npy("<f8", 4294967296u, "")), HasSubstr("0 bytes of them"));
}

TEST_F(ColumnsTest, NpyCutAnywhereIsRefused) {
  const std::string whole = Npy("<i4", 2, Bytes<int32_t>({1, 2}));
  for (size_t size = kNpyMagic.size(); size < whole.size(); ++size) {
    EXPECT_FALSE(One(whole.substr(0, size)).ok()) << size;
  }
  ASSERT_OK(One(whole));
}

TEST_F(ColumnsTest, NpyVersionsTwoAndThreeAreReadOthersNot) {
  const std::string dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n";
  const auto with_version = [&](char major, char minor) {
    return absl::StrCat(kNpyMagic, std::string{major, minor},
                        Bytes<uint32_t>({static_cast<uint32_t>(dictionary.size())}), dictionary,
                        "x");
  };
  EXPECT_OK(One(with_version(2, 0)));
  EXPECT_OK(One(with_version(3, 0)));
  EXPECT_THAT(Error(with_version(4, 0)), HasSubstr("version 4.0"));
  EXPECT_THAT(Error(with_version(2, 1)), HasSubstr("version 2.1"));
  EXPECT_THAT(Error(absl::StrCat(kNpyMagic, std::string("\x02\x00\xff\xff\xff\x7f", 6), "{")),
              HasSubstr("is longer than 65536"));
}

TEST(ParseNpyHeaderTest, IsStrict) {
  EXPECT_OK(ParseNpyHeader("{\"shape\": (3,), 'descr': '<f4', 'fortran_order': False}"));
  const char* const bad[] = {
      "",
      "[]",
      "{}",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}",
      "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x",
      "{'descr': '<f4, 'fortran_order': False, 'shape': (3,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3 3)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
      "{'descr': '<f4",
  };
  for (const char* text : bad) {
    EXPECT_THAT(ParseNpyHeader(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST_F(ColumnsTest, MissingFloatsNeedPermissionAndInfinitiesHaveNone) {
  const float nan = std::nanf("");
  const std::string file = Npy("<f4", 3, Bytes<float>({1, nan, nan}));
  EXPECT_THAT(Error(file), AllOf(HasSubstr("sample 1"), HasSubstr("--allow-missing")));
  ASSERT_OK_AND_ASSIGN(ColumnValues allowed, One(file, {}, true));
  EXPECT_EQ(allowed.missing(), 2u);
  EXPECT_TRUE(std::isnan(Values<float>(allowed)[2]));
  EXPECT_THAT(Error(file, v1::COLUMN_TYPE_UINT8, true),
              HasSubstr("cannot stand in a column of type u8"));
  EXPECT_THAT(Error(Npy("<f4", 1, Bytes<float>({-INFINITY})), {}, true), HasSubstr("infinite"));
}

TEST_F(ColumnsTest, IdxLabelsAreReadGzippedToo) {
  const std::string file = Idx(8, 1, 4, std::string("\x00\x09\x03\xff", 4));
  ASSERT_OK_AND_ASSIGN(ColumnValues labels, One(file));
  EXPECT_THAT(Values<uint8_t>(labels), ElementsAre(0, 9, 3, 255));
  ASSERT_OK_AND_ASSIGN(auto gzipped, ReadColumnFile(WriteGzipped(file), {}, false));
  EXPECT_EQ(gzipped[0].name, "label");
  EXPECT_EQ(gzipped[0].values.bytes(), labels.bytes());
}

TEST_F(ColumnsTest, IdxOfAnotherKindOrLengthIsRefused) {
  EXPECT_THAT(Error(Idx(8, 3, 4, std::string(20, 0))), HasSubstr("has 3 dimensions"));
  EXPECT_THAT(Error(Idx(13, 1, 1, std::string(4, 0))), HasSubstr("element type 13 is not 8"));
  EXPECT_THAT(Error(Idx(8, 1, 5, "abcd")), HasSubstr("the header promises 5 values, 4 are there"));
  EXPECT_THAT(Error(Idx(8, 1, 3, "abcd")), HasSubstr("goes on after the 3 values"));
  EXPECT_THAT(Error(Idx(8, 1, 0xFFFFFFFF, "")), HasSubstr("0 are there"));
  EXPECT_THAT(Error(std::string(7, 0)), HasSubstr("no IDX file"));
}

TEST_F(ColumnsTest, AGzipFileCutAnywhereIsRefused) {
  WriteGzipped(Npy("<i4", 300, std::string(1200, 7)));
  const std::string whole = ReadFile(dir_.File("file.gz"));
  for (size_t size = 20; size < whole.size(); size += 3) {
    EXPECT_FALSE(One(whole.substr(0, size)).ok()) << size;
  }
  ASSERT_OK(One(whole));
}

TEST_F(ColumnsTest, CsvColumnsAreFoundByTheirHeader) {
  const std::string path = Write("id,label,quality\n0,3,0.5\n1,-4,1e2\n");
  ASSERT_OK_AND_ASSIGN(auto columns, ReadCsv(path,
                                             {{"q", "quality", v1::COLUMN_TYPE_FLOAT64},
                                              {"y", "label", v1::COLUMN_TYPE_INT64}},
                                             false));
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[0].name, "q");
  EXPECT_THAT(Values<double>(columns[0].values), ElementsAre(0.5, 100));
  EXPECT_THAT(Values<int64_t>(columns[1].values), ElementsAre(3, -4));
}

TEST_F(ColumnsTest, CsvTypesAreFoundOut) {
  ASSERT_OK_AND_ASSIGN(auto columns,
                       ReadCsv(Write("a,b,c,d,e\n0,256,65536,-1,1\n255,0,0,0,1.5\n"), {}, false));
  std::vector<std::string> types;
  for (const NamedColumn& column : columns) types.push_back(TypeName(column.values.type()));
  EXPECT_THAT(types, ElementsAre("u8", "u16", "u32", "i64", "f32"));
}

TEST_F(ColumnsTest, ByteOrderMarksCarriageReturnsAndQuotesAreRead) {
  ASSERT_OK_AND_ASSIGN(ColumnValues labels,
                       One("\xEF\xBB\xBF\"label\", other \r\n 1 ,\"a, \"\"b\"\"\"\r\n\"2\",x",
                           v1::COLUMN_TYPE_UINT8));
  EXPECT_THAT(Values<uint8_t>(labels), ElementsAre(1, 2));
  ASSERT_OK_AND_ASSIGN(ColumnValues list, One("4\n5\n\n", v1::COLUMN_TYPE_UINT8));
  EXPECT_THAT(Values<uint8_t>(list), ElementsAre(4, 5));
}

TEST_F(ColumnsTest, CsvErrorsNameTheLineAndTheColumn) {
  const auto u8 = v1::COLUMN_TYPE_UINT8;
  EXPECT_THAT(Error("label\n1\ncat\n", u8),
              HasSubstr("line 3, column \"label\": \"cat\" is no number"));
  EXPECT_THAT(Error("label\n1\n256\n", u8),
              HasSubstr("line 3, column \"label\": 256 is outside u8"));
  EXPECT_THAT(Error("label\nnan\n", u8), HasSubstr("line 2, column \"label\": a missing value"));
  EXPECT_THAT(Error("label\nnan\n"), HasSubstr("--allow-missing"));
  EXPECT_THAT(Error("label\ninf\n", {}, true), HasSubstr("an infinite value"));
  EXPECT_THAT(Error("label\n1e999\n", {}, true), HasSubstr("an infinite value"));
  EXPECT_THAT(Error("a,b\n1,2\n"), HasSubstr("has no column \"label\"; it has: a, b"));
  EXPECT_THAT(Error("label,label\n1,2\n"), HasSubstr("two columns \"label\""));
  EXPECT_THAT(Error("label,b\n1,2\n3\n"), HasSubstr("line 3 has 1 fields where the header has 2"));
  EXPECT_THAT(Error("label,b\n1,\n3,4\n,\n"),
              HasSubstr("line 4, column \"label\": a missing value"));
  EXPECT_THAT(Error("label\n1\n\n2\n"), HasSubstr("line 3 is empty"));
  EXPECT_THAT(Error("label,b\n\"1,2\n"), HasSubstr("line 2: a quote is not closed"));
  EXPECT_THAT(Error("label,b\n\"1\"x,2\n"), HasSubstr("line 2: text follows a closing quote"));
  EXPECT_THAT(Error(""), HasSubstr("is empty"));
  EXPECT_THAT(Error("\n1\n"), HasSubstr("begins with an empty line"));
  EXPECT_THAT(Error(std::string("label\n1\0\n", 9)), HasSubstr("line 2 holds a NUL byte"));
  EXPECT_THAT(Error(absl::StrCat("label\n", std::string(1'100'000, '1'), "\n")),
              HasSubstr("line 2 is longer than 1048576 bytes"));
}

TEST_F(ColumnsTest, LabelSetsAreReadFromTextAndFromBooleanMatrices) {
  const auto set = v1::COLUMN_TYPE_LABEL_SET;
  const std::string expected = Bytes<uint32_t>({2, 3, 17, 0, 1, 4294967295});
  ASSERT_OK_AND_ASSIGN(ColumnValues text,
                       One("id,label\n1, 17 3\t17\n2,\n3,\"4294967295\"\n", set));
  EXPECT_EQ(text.size(), 3u);
  EXPECT_EQ(text.bytes(), expected);
  EXPECT_EQ(text.missing(), 0u);
  for (const char* bad : {"-1", "4294967296", "cat", "1.5", "nan"}) {
    EXPECT_THAT(
        Error(absl::StrCat("label,id\n3 ", bad, ",1\n"), set),
        HasSubstr(absl::StrCat("line 2, column \"label\": \"", bad, "\" is no label in [0, ")));
  }
  const auto matrix = [](const std::string& shape, const std::string& data) {
    return Npy(absl::StrCat("{'descr': '|b1', 'fortran_order': False, 'shape': ", shape, ", }"),
               data);
  };
  ASSERT_OK_AND_ASSIGN(ColumnValues read,
                       One(matrix("(3, 4)", std::string("\0\1\0\1\0\0\0\0\1\0\0\0", 12))));
  EXPECT_EQ(read.type(), set);
  EXPECT_EQ(read.bytes(), Bytes<uint32_t>({2, 1, 3, 0, 1, 0}));
  EXPECT_THAT(Error(matrix("(3, 4)", std::string(11, 0))),
              HasSubstr("promises 3 rows of 4 bytes, 11 bytes of them are there"));
  EXPECT_THAT(Error(matrix("(3, 4)", std::string(13, 0))), HasSubstr("goes on after the 3 rows"));
  EXPECT_THAT(Error(matrix("(3, 0)", ""), set), HasSubstr("1 to 1048576 labels"));
  EXPECT_THAT(Error(Npy("|u1", 3, "abc"), set), HasSubstr("is no boolean matrix"));
}

TEST_F(ColumnsTest, EmptyCellsAreMissingWhenAllowed) {
  ASSERT_OK_AND_ASSIGN(ColumnValues column, One("label,b\n,1\n0.5,1\nNaN,1\n", {}, true));
  EXPECT_EQ(column.type(), v1::COLUMN_TYPE_FLOAT32);
  EXPECT_EQ(column.size(), 3u);
  EXPECT_EQ(column.missing(), 2u);
}

TEST_F(ColumnsTest, FilesThatAreNoneAreNamed) {
  EXPECT_THAT(ReadColumnFile(dir_.File("nobody.npy"), {}, false),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nobody.npy: No such file")));
  EXPECT_THAT(ReadColumnFile(dir_.path(), {}, false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a directory")));
  EXPECT_THAT(ReadColumnFile(Write(Npy("|u1", 1, "x")), {{"a", "a", {}}, {"b", "b", {}}}, false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot give 2 columns")));
  EXPECT_THAT(ReadColumnFile(Write("1\n2\n"), {}, false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one column only")));
}

TEST_F(ColumnsTest, ManyRowsCrossTheReadersBuffers) {
  std::string text = "label\n";
  for (int i = 0; i < 300'000; ++i) absl::StrAppend(&text, i, "\n");
  ASSERT_OK_AND_ASSIGN(ColumnValues column, One(text));
  ASSERT_EQ(column.size(), 300'000u);
  const auto values = Values<uint32_t>(column);
  for (uint32_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i);
}

TEST(SplitCsvLineTest, FollowsRfc4180) {
  const auto split = [](absl::string_view line) { return *SplitCsvLine(line); };
  EXPECT_THAT(split(""), ElementsAre(""));
  EXPECT_THAT(split("a"), ElementsAre("a"));
  EXPECT_THAT(split("a,"), ElementsAre("a", ""));
  EXPECT_THAT(split(",,"), ElementsAre("", "", ""));
  EXPECT_THAT(split("\"\",x"), ElementsAre("", "x"));
  EXPECT_THAT(split("\"a\"\"b\",\"\"\"\""), ElementsAre("a\"b", "\""));
  EXPECT_THAT(split("\"a,b\",c"), ElementsAre("a,b", "c"));
  EXPECT_FALSE(SplitCsvLine("\"a").ok());
  EXPECT_FALSE(SplitCsvLine("\"a\"\"").ok());
  EXPECT_FALSE(SplitCsvLine("\"a\"b").ok());
}

TEST(ParseColumnChoiceTest, EveryPartIsRead) {
  ASSERT_OK_AND_ASSIGN(ColumnChoice full, ParseColumnChoice("y:u8=dir/a.csv#class"));
  EXPECT_EQ(full.request.name, "y");
  EXPECT_EQ(full.request.type, v1::COLUMN_TYPE_UINT8);
  EXPECT_EQ(full.request.header, "class");
  EXPECT_EQ(full.file, "dir/a.csv");
  ASSERT_OK_AND_ASSIGN(ColumnChoice bare, ParseColumnChoice("label"));
  EXPECT_EQ(bare.request.header, "label");
  EXPECT_EQ(bare.request.type, std::nullopt);
  EXPECT_EQ(bare.file, "");
  for (const char* text : {"", ":u8", "y:u9", "y:", "y=", "Y", "y:u8=", "a b"}) {
    EXPECT_THAT(ParseColumnChoice(text), FieldIs("--column")) << text;
  }
}

}  // namespace
}  // namespace subset::columns
