// Forms and the decoding below them, with what clients send and with what they had better not.
#include <baton/module.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace baton {
namespace {

using testing::ElementsAre;
using testing::Optional;

// Comparable, and printed by googletest.
std::vector<std::pair<std::string, std::string>> pairs(const std::vector<Field>& fields) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const Field& field : fields) result.emplace_back(field.name, field.value);
  return result;
}

std::vector<std::pair<std::string, std::string>> urlencoded(std::string_view text) {
  detail::DecodedFields fields;
  detail::parse_urlencoded(text, SIZE_MAX, fields);
  return pairs(fields.fields);
}

int status_of(std::string_view type, std::string_view body, std::size_t max_fields = 1000) {
  try {
    Form::parse(type, body, max_fields);
  } catch (const HttpError& error) {
    return error.status();
  }
  return 200;
}

std::string reason_of(std::string_view type, std::string_view body) {
  try {
    Form::parse(type, body, 1000);
  } catch (const HttpError& error) {
    return error.what();
  }
  return "";
}

constexpr std::string_view kMultipart = "multipart/form-data; boundary=xyz";
constexpr std::string_view kUrlencoded = "application/x-www-form-urlencoded";

std::string part(std::string_view head, std::string_view body) {
  return std::string("--xyz\r\n").append(head).append("\r\n\r\n").append(body).append("\r\n");
}

std::string named(std::string_view parameters, std::string_view body) {
  return part(std::string("Content-Disposition: form-data; ").append(parameters), body);
}

TEST(SdkUrlencoded, FieldsAreDecodedInTheOrderSent) {
  EXPECT_THAT(urlencoded("a=1&b=x+y&c=%C3%A4%26&a=2"),
              ElementsAre(std::pair("a", "1"), std::pair("b", "x y"), std::pair("c", "\xc3\xa4&"),
                          std::pair("a", "2")));
}

TEST(SdkUrlencoded, OddPiecesAreKeptOrLeftOut) {
  EXPECT_THAT(urlencoded("&&a&=v&b=&c=d=e&"),
              ElementsAre(std::pair("a", ""), std::pair("", "v"), std::pair("b", ""), std::pair("c", "d=e")));
  EXPECT_THAT(urlencoded(""), ElementsAre());
}

TEST(SdkUrlencoded, APercentThatEncodesNothingIsItself) {
  EXPECT_THAT(urlencoded("a=100%&b=%zz&c=%4&d=%"), ElementsAre(std::pair("a", "100%"), std::pair("b", "%zz"),
                                                               std::pair("c", "%4"), std::pair("d", "%")));
  EXPECT_THAT(urlencoded("%61%3D=%00"), ElementsAre(std::pair("a=", std::string(1, '\0'))));
}

TEST(SdkUrlencoded, ViewsSurviveAMoveOfTheForm) {
  Form form = Form::parse(kUrlencoded, "short=%61", 10);
  const Form moved = std::move(form);
  EXPECT_THAT(moved.field("short"), Optional(std::string_view("a")));
}

TEST(SdkUrlencoded, MoreFieldsThanAllowedAre413) {
  EXPECT_EQ(status_of(kUrlencoded, "a&b&c", 3), 200);
  EXPECT_EQ(status_of(kUrlencoded, "a&b&c&d", 3), 413);
}

TEST(SdkForm, AnotherMediaTypeIs415) {
  EXPECT_EQ(status_of("application/json", "{}"), 415);
  EXPECT_EQ(status_of("", "a=b"), 415);
  EXPECT_EQ(status_of("APPLICATION/X-www-form-urlencoded ; charset=UTF-8", "a=b"), 200);
}

TEST(SdkMultipart, FieldsAndFilesAreViewsOfTheBody) {
  const std::string body =
      named("name=\"title\"", "A picture") +
      part("Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png",
           std::string_view("\x89PNG\r\n\0--xy\r\n", 13)) +
      "--xyz--\r\n";
  const Form form = Form::parse(kMultipart, body, 10);
  EXPECT_THAT(form.field("title"), Optional(std::string_view("A picture")));
  EXPECT_EQ(form.field("file"), std::nullopt);
  ASSERT_EQ(form.files().size(), 1U);
  const FormFile& file = *form.file("file");
  EXPECT_EQ(file.filename, "a.png");
  EXPECT_EQ(file.content_type, "image/png");
  EXPECT_EQ(file.body, std::string_view("\x89PNG\r\n\0--xy\r\n", 13));
  EXPECT_GE(file.body.data(), body.data());
  EXPECT_LE(file.body.data() + file.body.size(), body.data() + body.size());
  EXPECT_EQ(form.file("title"), nullptr);
}

TEST(SdkMultipart, PreambleEpiloguePaddingAndQuotedBoundaryAreUnderstood) {
  const std::string body =
      "ignored\r\n--x y\t \r\nContent-disposition:FORM-DATA;name=a\r\n\r\n1\r\n--x y--\r\nignored";
  const Form form = Form::parse("Multipart/Form-Data; charset=utf-8; Boundary=\"x y\"", body, 10);
  EXPECT_THAT(pairs(form.fields()), ElementsAre(std::pair("a", "1")));
}

TEST(SdkMultipart, EmptyPartsAreEmpty) {
  const std::string usual = named("name=\"a\"", "") + "--xyz--";
  EXPECT_THAT(pairs(Form::parse(kMultipart, usual, 10).fields()), ElementsAre(std::pair("a", "")));
  // Without the line break that should end the body of the part.
  const std::string terse = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--xyz--";
  EXPECT_THAT(pairs(Form::parse(kMultipart, terse, 10).fields()), ElementsAre(std::pair("a", "")));
  EXPECT_TRUE(Form::parse(kMultipart, "--xyz--\r\n", 10).fields().empty());
}

TEST(SdkMultipart, AFileInputLeftEmptyIsNoFile) {
  const std::string body = named("name=\"file\"; filename=\"\"", "") + "--xyz--";
  EXPECT_EQ(Form::parse(kMultipart, body, 10).file("file"), nullptr);
  const std::string unnamed = named("name=\"file\"; filename=\"\"", "x") + "--xyz--";
  EXPECT_EQ(Form::parse(kMultipart, unnamed, 10).file("file")->body, "x");
}

TEST(SdkMultipart, NamesAreDecodedAsBrowsersEncodeThem) {
  const auto filename = [](std::string_view written) {
    const std::string body =
        named(std::string("name=f; filename=\"").append(written) + "\"", "x") + "--xyz--";
    return std::string(Form::parse(kMultipart, body, 10).files().at(0).filename);
  };
  EXPECT_EQ(filename("a%22b%0D%0A%41.txt"), "a\"b\r\n%41.txt");
  EXPECT_EQ(filename("a\\\"b.txt"), "a\"b.txt");
  EXPECT_EQ(filename("C:\\new\\a.txt"), "C:\\new\\a.txt");
  EXPECT_EQ(filename("ends in a backslash\\"), "ends in a backslash\\");
  EXPECT_EQ(filename("a;b=c.txt"), "a;b=c.txt");
  EXPECT_EQ(filename("\xc3\xa4.txt"), "\xc3\xa4.txt");
}

TEST(SdkMultipart, HeadersMayBeContinuedOnLinesOfTheirOwn) {
  const std::string body =
      part(
          "X: y\r\nContent-Disposition: form-data;\r\n name=\"a\";\r\n\tfilename=\"b c\"\r\n"
          "Content-Type:\r\n text/plain;\r\n charset=x\r\nX: y",
          "1") +
      "--xyz--";
  const Form form = Form::parse(kMultipart, body, 10);
  ASSERT_EQ(form.files().size(), 1U);
  EXPECT_EQ(form.files()[0].name, "a");
  EXPECT_EQ(form.files()[0].filename, "b c");
  EXPECT_EQ(form.files()[0].content_type, "text/plain; charset=x");
}

TEST(SdkMultipart, NamesInTheExtendedFormAreUnderstood) {
  const auto file = [](std::string_view parameters) {
    const std::string body = named(parameters, "x") + "--xyz--";
    const Form form = Form::parse(kMultipart, body, 10);
    EXPECT_TRUE(form.fields().empty()) << "it is a file";
    return form.files().empty()
               ? ""
               : std::string(form.files()[0].name) + "=" + std::string(form.files()[0].filename);
  };
  EXPECT_EQ(file("name=f; filename*=UTF-8''%e2%82%ac%20a.txt"), "f=\xe2\x82\xac a.txt");
  EXPECT_EQ(file("name=f; filename=\"=?utf-8?B?4oKs?=\"; filename*=utf-8'en'%E2%82%AC"), "f=\xe2\x82\xac");
  EXPECT_EQ(file("name=f; filename*=\"utf-8''a%22b\""), "f=a\"b");
  EXPECT_EQ(file("name*=utf-8''%c3%a4; filename=a"), "\xc3\xa4=a");
}

TEST(SdkMultipart, NamesThatCannotBeReadAreRefused) {
  const auto reason = [](std::string_view parameters) {
    return reason_of(kMultipart, named(parameters, "x") + "--xyz--");
  };
  for (const char* bad : {"filename*=a.txt", "filename*=", "filename*=UTF-8'a", "filename*=ISO-8859-1''a"})
    EXPECT_EQ(reason(std::string("name=f; ") + bad),
              "malformed form: a name that is neither plain nor UTF-8''... (RFC 8187)")
        << bad;
  EXPECT_EQ(reason("name=f; filename*=UTF-8''a%2"), "malformed form: a name with a % that encodes nothing");
  EXPECT_EQ(reason("name=f; filename*0=\"a\"; filename*1=\"b\""),
            "malformed form: a name in several pieces (RFC 2231)");
  EXPECT_EQ(reason("name=f; filename*0*=UTF-8''a"), "malformed form: a name in several pieces (RFC 2231)");
}

TEST(SdkMultipart, ReasonsSayWhatIsWrong) {
  const auto reason = [](const std::string& body) { return reason_of(kMultipart, body); };
  EXPECT_EQ(reason(part("X: " + std::string(10'000, 'x'), "1") + "--xyz--"),
            "malformed form: a part's head has more than 8 KiB");
  EXPECT_EQ(reason("--xyz\r\nX: y\r\n"), "malformed form: a part's head does not end");
  EXPECT_EQ(reason(named("", "1") + "--xyz--"), "malformed form: a part without a name");
  EXPECT_EQ(reason(part("Content-Disposition: attachment; name=a", "1") + "--xyz--"),
            "malformed form: a part without Content-Disposition: form-data");
}

TEST(SdkMultipart, MalformedBodiesAre400) {
  const std::string good = named("name=\"a\"", "1");
  EXPECT_EQ(status_of(kMultipart, good + "--xyz--"), 200);
  EXPECT_EQ(status_of(kMultipart, ""), 400);
  EXPECT_EQ(status_of(kMultipart, "--xyz"), 400);
  EXPECT_EQ(status_of(kMultipart, "--xyz\r\n"), 400);
  EXPECT_EQ(status_of(kMultipart, good), 400) << "no last boundary";
  EXPECT_EQ(status_of(kMultipart, good + "--xyzabc\r\n"), 400) << "text behind a boundary";
  EXPECT_EQ(status_of(kMultipart, part("Content-Type: text/plain", "1") + "--xyz--"), 400) << "no name";
  EXPECT_EQ(status_of(kMultipart, part("Content-Disposition: attachment; name=a", "1") + "--xyz--"), 400);
  EXPECT_EQ(status_of(kMultipart, "--xyz\r\n\r\n1\r\n--xyz--"), 400) << "no head";
  EXPECT_EQ(status_of(kMultipart, part("X: " + std::string(10'000, 'x'), "1") + "--xyz--"), 400)
      << "endless head";
}

TEST(SdkMultipart, ABoundaryThatCannotBeIs400) {
  EXPECT_EQ(status_of("multipart/form-data", "--xyz--"), 400);
  EXPECT_EQ(status_of("multipart/form-data; boundary=", "--xyz--"), 400);
  EXPECT_EQ(status_of("multipart/form-data; boundary=\"\"", "----"), 400);
  EXPECT_EQ(status_of("multipart/form-data; boundary=" + std::string(71, 'x'), "--xyz--"), 400);
  EXPECT_EQ(status_of("multipart/form-data; boundary=\"a\r\n--a\"", "--a"), 400);
}

TEST(SdkMultipart, MorePartsThanAllowedAre413) {
  const std::string two = named("name=a", "1") + named("name=b; filename=x", "2");
  EXPECT_EQ(status_of(kMultipart, two + "--xyz--", 2), 200);
  EXPECT_EQ(status_of(kMultipart, two + named("name=c", "3") + "--xyz--", 2), 413);
}

// Bodies made to make a parser look at the same bytes again and again: 4 MiB of each take milliseconds where
// every byte is looked at a fixed number of times, and hours where it is not, which nobody overlooks.
TEST(SdkMultipart, HostileBodiesAreReadInLinearTime) {
  constexpr std::size_t kSize = 4 << 20;
  const std::string start = "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n";
  std::string almost;
  while (almost.size() < kSize) almost += "\r\n--xy";
  EXPECT_EQ(status_of(kMultipart, start + almost), 400);
  EXPECT_EQ(status_of(kMultipart, start + std::string(kSize, '\r')), 400);
  EXPECT_EQ(status_of(kMultipart, almost), 400);
  EXPECT_EQ(status_of(kUrlencoded, std::string(kSize, '%')), 200);
  EXPECT_EQ(status_of(kUrlencoded, std::string(kSize, '&')), 200);
  EXPECT_EQ(status_of("multipart/form-data;" + std::string(kSize, ';'), ""), 400);
  EXPECT_EQ(detail::json_depth(std::string(kSize, '[')), kSize);
}

TEST(SdkFormFile, SafeNamesStayInTheirFolder) {
  const auto safe = [](std::string_view filename) { return FormFile{{}, filename, {}, {}}.safe_name(); };
  EXPECT_EQ(safe("a.txt"), "a.txt");
  EXPECT_EQ(safe("../../etc/passwd"), "passwd");
  EXPECT_EQ(safe("C:\\Users\\me\\a b.txt"), "a b.txt");
  EXPECT_EQ(safe(".."), "");
  EXPECT_EQ(safe("/"), "");
  EXPECT_EQ(safe(".bashrc"), "bashrc");
  EXPECT_EQ(safe(std::string_view("a\0\n\x7f", 4)), "a");
}

TEST(SdkText, ParametersOfAField) {
  constexpr std::string_view kField = "form-data; Name = \"a\" ;flag;b=c ; b=d";
  EXPECT_EQ(detail::field_parameter(kField, "name"), "a");
  EXPECT_EQ(detail::field_parameter(kField, "b"), "c");
  EXPECT_EQ(detail::field_parameter(kField, "flag"), std::nullopt);
  EXPECT_EQ(detail::field_parameter("x; name=\"unclosed", "name"), "unclosed");
  EXPECT_EQ(detail::field_parameter("name=a", "name"), std::nullopt) << "that is the field's type";
}

TEST(SdkText, JsonDepthLooksOutsideOfStringsOnly) {
  EXPECT_EQ(detail::json_depth(R"({"a": [1, {"b": 2}], "c": []})"), 3U);
  EXPECT_EQ(detail::json_depth(R"("[[[[\"[[[[\\")"), 0U);
  EXPECT_EQ(detail::json_depth(R"(["\\", [])"), 2U);
  EXPECT_EQ(detail::json_depth("]]]["), 1U);
  EXPECT_EQ(detail::json_depth("\"\\"), 0U);
}

}  // namespace
}  // namespace baton
