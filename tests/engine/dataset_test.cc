// Imports, and the calls about datasets.

#include <limits>
#include <numeric>
#include <random>

#include "engine/dataset_import.h"
#include "engine/sha256.h"
#include "google/protobuf/text_format.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

v1::ImportDatasetRequest::Header HeaderOf(const std::string& name, uint64_t num_samples,
                                          const std::vector<v1::Column>& columns) {
  v1::ImportDatasetRequest::Header header;
  header.set_dataset(name);
  header.set_num_samples(num_samples);
  for (const v1::Column& column : columns) *header.add_columns() = column;
  return header;
}

v1::ImportDatasetRequest::Chunk ChunkOf(const std::string& column, uint64_t first,
                                        const std::string& data) {
  v1::ImportDatasetRequest::Chunk chunk;
  chunk.set_column(column);
  chunk.set_first_sample(first);
  chunk.set_data(data);
  return chunk;
}

std::string Sha256Of(const std::string& bytes) {
  Sha256 sha256;
  sha256.Update(bytes);
  return sha256.HexDigest();
}

absl::StatusOr<v1::Dataset> CommitOf(DatasetImport* import) {
  Pending<absl::StatusOr<v1::Dataset>> committed;
  import->Commit(committed.Callback());
  return committed.Wait();
}

TEST(DatasetTest, AnImportIsDescribedWithItsFingerprint) {
  TestEngine t;
  const std::string labels = {0, 1, 2, 1, 0};
  const std::vector<float> quality = {0.5f, NAN, 1, 2, 3};
  ASSERT_OK_AND_ASSIGN(
      const v1::Dataset dataset,
      t.Import("d", 5,
               {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), labels},
                {ColumnOf("a-quality", v1::COLUMN_TYPE_FLOAT32), Encode(quality)}}));
  EXPECT_EQ(dataset.num_samples(), 5u);
  EXPECT_EQ(dataset.columns_version(), 1u);
  ASSERT_EQ(dataset.columns_size(), 2);
  EXPECT_EQ(dataset.columns(0).name(), "a-quality");
  EXPECT_EQ(dataset.columns(0).distinct_values(), 0u);
  EXPECT_EQ(dataset.columns(1).distinct_values(), 3u);
  EXPECT_EQ(dataset.columns(1).sha256(), Sha256Of(labels));
  EXPECT_EQ(dataset.fingerprint(),
            Sha256Of(absl::StrCat("num_samples 5\n", "a-quality 5 ", Sha256Of(Encode(quality)),
                                  "\n", "label 1 ", Sha256Of(labels), "\n")));
  EXPECT_EQ(Sha256Of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(dataset.create_time().seconds(), absl::ToUnixSeconds(t.clock.Now()));
  v1::GetDatasetRequest get;
  get.set_name("d");
  EXPECT_EQ(t.engine->GetDataset(get)->SerializeAsString(), dataset.SerializeAsString());
}

TEST(DatasetTest, ColumnsAreOptional) {
  TestEngine t;
  ASSERT_OK_AND_ASSIGN(const v1::Dataset dataset, t.Import("plain", 3, {}));
  EXPECT_EQ(dataset.columns_size(), 0);
  EXPECT_EQ(dataset.fingerprint(), Sha256Of("num_samples 3\n"));
}

TEST(DatasetTest, AnIdenticalImportChangesNothing) {
  TestEngine t;
  ASSERT_OK_AND_ASSIGN(const v1::Dataset first, t.ImportLabels("d", 70000));
  ASSERT_OK_AND_ASSIGN(const v1::Dataset again, t.ImportLabels("d", 70000));
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const v1::Dataset changed, t.ImportLabels("d", 70000, 9));
  EXPECT_EQ(changed.uid(), first.uid());
  EXPECT_EQ(changed.columns_version(), 2u);
  ASSERT_OK_AND_ASSIGN(
      const v1::Dataset more,
      t.Import("d", 70000, {{ColumnOf("group", v1::COLUMN_TYPE_UINT8), std::string(70000, 'x')}}));
  EXPECT_EQ(more.columns_version(), 3u);
  EXPECT_EQ(more.columns_size(), 2);
  t.Reopen();
  // Only what is used is kept: two columns of two chunks.
  int chunks = 0;
  for (const auto& [name, bytes] : t.disk.images()) chunks += name.substr(0, 7) == "import/";
  EXPECT_EQ(chunks, 4);
}

TEST(DatasetTest, DistinctValuesAreCountedUpToOneMoreThanStrataMayHave) {
  DistinctCounter small(v1::COLUMN_TYPE_UINT16);
  DistinctCounter large(v1::COLUMN_TYPE_INT64);
  std::vector<uint16_t> all(65536);
  std::vector<int64_t> many(100000);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (size_t i = 0; i < many.size(); ++i) many[i] = -static_cast<int64_t>(i) * 1000000007;
  small.Add(Encode(all));
  small.Add(Encode(all));
  large.Add(Encode(many));
  EXPECT_EQ(small.count(), 65536u);
  EXPECT_EQ(large.count(), 65537u);
}

TEST(DatasetTest, HeadersAreChecked) {
  TestEngine t;
  const v1::Column label = ColumnOf("label", v1::COLUMN_TYPE_UINT8);
  EXPECT_THAT(t.engine->StartImport(HeaderOf("../x", 5, {})).status(), FieldIs("header.dataset"));
  for (const uint64_t samples : {uint64_t{0}, (uint64_t{1} << 32) + 1, uint64_t{1} << 40}) {
    const absl::Status status = t.engine->StartImport(HeaderOf("d", samples, {label})).status();
    EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr(absl::StrCat(samples))));
    EXPECT_THAT(status, FieldIs("header.num_samples"));
  }
  EXPECT_THAT(t.engine->StartImport(HeaderOf("d", 5, {label, label})).status(),
              FieldIs("header.columns[1].name"));
  EXPECT_THAT(
      t.engine->StartImport(HeaderOf("d", 5, {ColumnOf("Label", v1::COLUMN_TYPE_UINT8)})).status(),
      FieldIs("header.columns[0].name"));
  EXPECT_THAT(
      t.engine->StartImport(HeaderOf("d", 5, {ColumnOf("l", static_cast<v1::ColumnType>(77))}))
          .status(),
      FieldIs("header.columns[0].type"));
  EXPECT_THAT(t.engine->StartImport(HeaderOf("d", 5, {ColumnOf("l", v1::COLUMN_TYPE_UNSPECIFIED)}))
                  .status(),
              FieldIs("header.columns[0].type"));
}

TEST(DatasetTest, ExistingDatasetsAreProtected) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 50));
  EXPECT_THAT(t.Import("d", 50, {}, /*create_only=*/true),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(t.ImportLabels("d", 51),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("51 differs from the 50")));
}

// Two imports at once: what the second may do is decided when it commits.
TEST(DatasetTest, ConflictsAreDecidedAtTheCommit) {
  TestEngine t;
  auto header = HeaderOf("d", 5, {});
  ASSERT_OK_AND_ASSIGN(auto plain, t.engine->StartImport(header));
  header.set_create_only(true);
  ASSERT_OK_AND_ASSIGN(auto create_only, t.engine->StartImport(header));
  header.set_create_only(false);
  header.set_num_samples(6);
  ASSERT_OK_AND_ASSIGN(auto longer, t.engine->StartImport(header));
  ASSERT_OK(CommitOf(plain.get()));
  EXPECT_THAT(CommitOf(create_only.get()), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(CommitOf(longer.get()), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(CommitOf(longer.get()), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(DatasetTest, ChunksAreChecked) {
  TestEngine t;
  const auto start = [&t] {
    return *t.engine->StartImport(
        HeaderOf("d", 10,
                 {ColumnOf("label", v1::COLUMN_TYPE_UINT16), ColumnOf("f", v1::COLUMN_TYPE_FLOAT32),
                  ColumnOf("g", v1::COLUMN_TYPE_FLOAT64)}));
  };
  EXPECT_THAT(start()->Append(ChunkOf("other", 0, "ab")), FieldIs("chunk.column"));
  EXPECT_THAT(start()->Append(ChunkOf("label", 1, "ab")), FieldIs("chunk.first_sample"));
  EXPECT_THAT(start()->Append(ChunkOf("label", 0, "abc")), FieldIs("chunk.data"));
  EXPECT_THAT(start()->Append(ChunkOf("label", 0, "")), FieldIs("chunk.data"));
  EXPECT_THAT(start()->Append(ChunkOf("label", 0, std::string(22, 'x'))),
              StatusIs(kInvalid, HasSubstr("past the 10")));
  EXPECT_THAT(start()->Append(ChunkOf("label", 0, std::string((1 << 20) + 2, 'x'))),
              FieldIs("chunk.data"));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(start()->Append(ChunkOf("f", 0, Encode<float>({1, NAN, -kInfinity}))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("sample 2")));
  EXPECT_THAT(start()->Append(ChunkOf("g", 0, Encode<double>({kInfinity}))),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  // After an error nothing of the import counts.
  auto import = start();
  EXPECT_THAT(import->Append(ChunkOf("label", 1, "ab")), StatusIs(kInvalid));
  EXPECT_THAT(import->Append(ChunkOf("label", 0, std::string(20, 'x'))), StatusIs(kInvalid));
  EXPECT_THAT(CommitOf(import.get()), StatusIs(kInvalid));
  EXPECT_TRUE(t.engine->ListDatasets({})->datasets().empty());
}

// Sample i has the labels of a random subset of ten.
LabelSets RandomSets(uint64_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  LabelSets sets(n);
  for (auto& labels : sets) {
    const uint64_t bits = random() & random();
    for (uint32_t label = 0; label < 10; ++label) {
      if ((bits >> label & 1) != 0) labels.push_back(label * 7);
    }
  }
  return sets;
}

TEST(LabelSetsTest, AnImportIsDescribedHashedKeptAndRecovered) {
  TestEngine t;
  const LabelSets sets = RandomSets(140000, 1);  // three chunks
  const std::string bytes = EncodeSets(sets);
  ASSERT_OK_AND_ASSIGN(const v1::Dataset dataset,
                       t.Import("d", sets.size(), {{SetsOf("classes", sets), bytes}}));
  const v1::Column& column = dataset.columns(0);
  EXPECT_EQ(column.type(), v1::COLUMN_TYPE_LABEL_SET);
  EXPECT_EQ(column.num_labels(), bytes.size() / 4 - sets.size());
  EXPECT_EQ(column.distinct_values(), 10u);
  EXPECT_EQ(column.sha256(), Sha256Of(bytes));
  EXPECT_EQ(dataset.fingerprint(),
            Sha256Of(absl::StrCat("num_samples 140000\nclasses 7 ", Sha256Of(bytes), "\n")));
  ASSERT_OK_AND_ASSIGN(const v1::Dataset again,
                       t.Import("d", sets.size(), {{SetsOf("classes", sets), bytes}}));
  EXPECT_EQ(again.SerializeAsString(), dataset.SerializeAsString());

  // What a plan reads of it is the same before and after a restart, from the log and from images.
  const std::string spec =
      "eligible { all { column: 'classes' all_of { values: 7 values: 63 } } }"
      "preference { repeat_factor { threshold: 1 } column: 'classes' }";
  v1::SamplerSpec proto;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(spec, &proto));
  ASSERT_OK(t.CreateSampler("d/s", proto));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/s", 64));
  const std::vector<uint32_t> drawn = t.EpochIndices(run.uid(), 0);
  for (const uint32_t i : drawn) {
    ASSERT_THAT(sets[i], ::testing::IsSupersetOf({7u, 63u})) << i;
  }
  EXPECT_GT(drawn.size(), 8000u);
  t.CrashAndReopen();
  EXPECT_EQ(t.EpochIndices(run.uid(), 0), drawn);
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(t.EpochIndices(run.uid(), 0), drawn);
  EXPECT_EQ(t.engine->ListDatasets({})->datasets(0).SerializeAsString(),
            dataset.SerializeAsString());
}

TEST(LabelSetsTest, ChunksAreChecked) {
  TestEngine t;
  v1::Column declared = ColumnOf("c", v1::COLUMN_TYPE_LABEL_SET);
  declared.set_num_labels(4);
  const auto append = [&](const std::vector<uint32_t>& words, size_t cut = 0) {
    const std::string bytes = Encode(words);
    auto import = *t.engine->StartImport(HeaderOf("d", 3, {declared}));
    return import->Append(ChunkOf("c", 0, bytes.substr(0, bytes.size() - cut)));
  };
  EXPECT_OK(append({1, 5, 0, 3, 1, 2, 4294967295}));
  const auto refused = [](const absl::Status& status, const std::string& text) {
    EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr(text)));
    EXPECT_THAT(status, FieldIs("chunk.data"));
  };
  refused(append({1, 5, 2, 9, 7}), "sample 1 of column \"c\" has label 7 after 9");
  refused(append({2, 5, 5}), "sample 0 of column \"c\" has label 5 after 5");
  refused(append({0, 2, 9}), "sample 1 of column \"c\" is cut off");
  refused(append({65537}), "sample 0 of column \"c\" has 65537 labels, more than 65536");
  refused(append({0, 0, 0, 0}), "ends at sample 4, past the 3");
  refused(append({5, 1, 2, 3, 4, 5}), "to 5 labels, past its num_labels 4");
  refused(append({1, 5}, 1), "not a multiple of 4");
}

TEST(LabelSetsTest, HeadersSayHowManyLabelsWillCome) {
  TestEngine t;
  v1::Column column = ColumnOf("c", v1::COLUMN_TYPE_LABEL_SET);
  column.set_num_labels(2 * 65536 + 1);
  const absl::Status many = t.engine->StartImport(HeaderOf("d", 2, {column})).status();
  EXPECT_THAT(many, StatusIs(kInvalid, HasSubstr("131073 is outside [0, 131072]")));
  EXPECT_THAT(many, FieldIs("header.columns[0].num_labels"));
  v1::Column label = ColumnOf("label", v1::COLUMN_TYPE_UINT8);
  label.set_num_labels(1);
  EXPECT_THAT(t.engine->StartImport(HeaderOf("d", 2, {label})),
              StatusIs(kInvalid, HasSubstr("only LABEL_SET has labels")));
  column.set_num_labels(3);
  ASSERT_OK_AND_ASSIGN(auto import, t.engine->StartImport(HeaderOf("d", 2, {column})));
  ASSERT_OK(import->Append(ChunkOf("c", 0, Encode<uint32_t>({1, 4, 1, 4}))));
  EXPECT_THAT(CommitOf(import.get()),
              StatusIs(kInvalid, HasSubstr("truncated: column \"c\" has 2 of its 3 labels")));
  import.reset();  // none outlives its engine
  // Memory is known before it is taken.
  t.options.max_memory_bytes = 1000;
  t.Reopen();
  column.set_num_labels(300);
  EXPECT_THAT(t.engine->StartImport(HeaderOf("d", 2, {column})),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("needs 1208 bytes")));
}

TEST(LabelSetsTest, TooManyLabelsForOneImageAreRefused) {
  TestEngine t;
  v1::Column column = ColumnOf("c", v1::COLUMN_TYPE_LABEL_SET);
  column.set_num_labels(101 * 65536);
  ASSERT_OK_AND_ASSIGN(auto import, t.engine->StartImport(HeaderOf("d", 70000, {column})));
  std::vector<uint32_t> all(65537, 65536);
  std::iota(all.begin() + 1, all.end(), 0);
  const std::string set = Encode(all);  // every label from 0 to 65,535
  for (uint64_t i = 0; i < 100; ++i) ASSERT_OK(import->Append(ChunkOf("c", i, set)));
  EXPECT_THAT(import->Append(ChunkOf("c", 100, set)),
              StatusIs(kInvalid, HasSubstr("brings samples 0 to 65535 of column \"c\" to 6619136 "
                                           "labels, more than 6553600")));
}

// What reads a column relies on its kind.
TEST(LabelSetsTest, AColumnStaysOfItsKind) {
  TestEngine t;
  const LabelSets sets = {{1}, {}, {2, 3}};
  ASSERT_OK(t.Import("d", 3,
                     {{SetsOf("classes", sets), EncodeSets(sets)},
                      {ColumnOf("label", v1::COLUMN_TYPE_UINT8), "abc"}}));
  auto early = t.engine->StartImport(HeaderOf("d", 3, {ColumnOf("more", v1::COLUMN_TYPE_UINT8)}));
  ASSERT_OK(early);
  ASSERT_OK((*early)->Append(ChunkOf("more", 0, "abc")));
  for (const auto& [column, bytes] : std::vector<std::pair<v1::Column, std::string>>{
           {SetsOf("label", sets), EncodeSets(sets)},
           {ColumnOf("classes", v1::COLUMN_TYPE_UINT8), "abc"}}) {
    const absl::Status refused = t.Import("d", 3, {{column, bytes}}).status();
    EXPECT_THAT(refused,
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("need another name")));
    EXPECT_THAT(refused, ReasonIs("COLUMN_KIND_DIFFERS"));
    EXPECT_THAT(refused, FieldIs("header.columns"));
  }
  // Decided again when an import commits that began before.
  ASSERT_OK(t.Import("d", 3, {{SetsOf("more", sets), EncodeSets(sets)}}));
  EXPECT_THAT(CommitOf(early->get()), ReasonIs("COLUMN_KIND_DIFFERS"));
  EXPECT_OK(t.Import("d", 3, {{ColumnOf("label", v1::COLUMN_TYPE_INT64), std::string(24, 'x')}}));
  t.CrashAndReopen();
  EXPECT_EQ(t.engine->ListDatasets({})->datasets(0).columns_size(), 3);
}

TEST(DatasetTest, ATruncatedImportLeavesNothing) {
  TestEngine t;
  {
    ASSERT_OK_AND_ASSIGN(auto import, t.engine->StartImport(HeaderOf(
                                          "d", 70000, {ColumnOf("label", v1::COLUMN_TYPE_UINT8)})));
    ASSERT_OK(import->Append(ChunkOf("label", 0, std::string(69999, 'x'))));
    EXPECT_FALSE(t.disk.images().empty());
    EXPECT_THAT(CommitOf(import.get()),
                StatusIs(kInvalid, HasSubstr("truncated: column \"label\" has 69999 of 70000")));
  }
  EXPECT_TRUE(t.engine->ListDatasets({})->datasets().empty());
  ASSERT_OK(t.engine->FoldNow());  // deletes come before the round
  for (const auto& [name, bytes] : t.disk.images()) EXPECT_NE(name.substr(0, 7), "import/");
}

TEST(DatasetTest, AFailedWriteFailsTheImport) {
  for (int nth = 1; nth <= 4; ++nth) {
    SCOPED_TRACE(nth);
    TestEngine t;
    t.disk.FailWrites(nth, absl::ResourceExhaustedError("disk full"));
    EXPECT_THAT(t.ImportLabels("d", 70000), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(t.engine->ListDatasets({})->datasets().empty());
    t.disk.Repair();
    EXPECT_OK(t.ImportLabels("d", 70000));
    t.CrashAndReopen();
    EXPECT_EQ(t.engine->ListDatasets({})->datasets_size(), 1);
  }
}

TEST(DatasetTest, MemoryIsEstimatedBeforeItIsTaken) {
  TestEngine t;
  t.options.max_memory_bytes = 100000;
  t.Reopen();
  ASSERT_OK(t.ImportLabels("d", 60000));
  EXPECT_THAT(
      t.engine->StartImport(HeaderOf("e", 1 << 20, {ColumnOf("label", v1::COLUMN_TYPE_INT64)})),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("needs 8388608 bytes of memory; 60000 of 100000 are in use")));
}

TEST(DatasetTest, ListsByPages) {
  TestEngine t;
  for (const char* name : {"c", "a", "e", "b", "d"}) ASSERT_OK(t.Import(name, 1, {}));
  v1::ListDatasetsRequest request;
  request.set_page_size(2);
  std::string names;
  int pages = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const auto page, t.engine->ListDatasets(request));
    for (const auto& dataset : page.datasets()) names += dataset.name();
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(names, "abcde");
  EXPECT_EQ(pages, 3);
  request.set_page_token("NOT A NAME");
  EXPECT_THAT(t.engine->ListDatasets(request).status(), FieldIs("page_token"));
  request.clear_page_token();
  request.set_page_size(1001);
  EXPECT_THAT(t.engine->ListDatasets(request).status(), FieldIs("page_size"));
}

TEST(DatasetTest, WhatDoesNotExistIsNotFoundWithTheNearestName) {
  TestEngine t;
  ASSERT_OK(t.Import("mnist", 1, {}));
  ASSERT_OK(t.Import("cifar", 1, {}));
  v1::GetDatasetRequest get;
  get.set_name("minst");
  EXPECT_THAT(t.engine->GetDataset(get),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"mnist\"")));
  EXPECT_THAT(t.DeleteDataset("minst"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(DatasetTest, DeletingTakesItsSamplersAndRunsWhenForced) {
  TestEngine t;
  ASSERT_OK_AND_ASSIGN(const v1::Dataset first, t.ImportLabels("d", 100));
  ASSERT_OK(t.CreateSampler("d/u", "uniform"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 10));
  const absl::Status refused = t.DeleteDataset("d");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("1 run")));
  EXPECT_THAT(refused, ReasonIs("IN_USE"));
  ASSERT_OK(t.DeleteDataset("d", /*force=*/true));
  EXPECT_THAT(t.GetRun("r"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.GetPositions(run.uid(), 0, 0, 1), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const v1::Dataset second, t.ImportLabels("d", 100));
  EXPECT_NE(second.uid(), first.uid());
  t.CrashAndReopen();
  EXPECT_TRUE(t.engine->ListRuns({})->runs().empty());
  EXPECT_EQ(t.engine->ListDatasets({})->datasets(0).uid(), second.uid());
}

}  // namespace
}  // namespace subset
