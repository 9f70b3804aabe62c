#include "s3_time_internal.h"
#include "s3_xml_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"

#include <tinyxml2.h>

#include <algorithm>
#include <charconv>

namespace milvus_backup::storage {
namespace {

using tinyxml2::XMLDocument;
using tinyxml2::XMLElement;

std::string_view LocalName(const XMLElement& element) {
  const std::string_view name = element.Name();
  return name.substr(name.find(':') + 1);
}

const XMLElement* Child(const XMLElement& parent, std::string_view name) {
  for (const XMLElement* child = parent.FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    if (LocalName(*child) == name) return child;
  }
  return nullptr;
}

std::string TextOf(const XMLElement& element) {
  const char* text = element.GetText();
  return text == nullptr ? std::string() : std::string(text);
}

std::string ChildText(const XMLElement& parent, std::string_view name) {
  const XMLElement* child = Child(parent, name);
  return child == nullptr ? std::string() : TextOf(*child);
}

uint64_t ToNumber(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Status BadReply(const std::string& what) {
  return InternalError("the service sent an unusable reply: " + what)
      .WithRetry(RetryClass::kTransient);
}

/// Parse and check the name of the root.
Result<const XMLElement*> Root(XMLDocument& document, std::string_view xml,
                               std::initializer_list<std::string_view> names) {
  if (document.Parse(xml.data(), xml.size()) != tinyxml2::XML_SUCCESS) {
    return BadReply(std::string("XML error ") + document.ErrorName());
  }
  const XMLElement* root = document.RootElement();
  if (root == nullptr) return BadReply("empty XML");
  if (std::find(names.begin(), names.end(), LocalName(*root)) == names.end()) {
    return BadReply(std::string("unexpected <") + root->Name() + ">");
  }
  return root;
}

/// Services encode listings as forms do (`+` is a blank), which the SDKs decode likewise.
std::string Decoded(const std::string& text, bool encoded) {
  return encoded ? PercentDecode(text, true) : text;
}

Result<ObjectInfo> ParseListedObject(const XMLElement& element, bool encoded) {
  ObjectInfo info;
  bool has_size = false;
  for (const XMLElement* child = element.FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    const std::string_view name = LocalName(*child);
    if (name == "Key") info.key = Decoded(TextOf(*child), encoded);
    if (name == "ETag") info.etag = StripQuotes(TextOf(*child));
    if (name == "LastModified") info.modified = ParseIso8601(TextOf(*child));
    if (name != "Size") continue;
    info.size = ToNumber(TextOf(*child));
    has_size = true;
  }
  if (info.key.empty() || !has_size) return BadReply("a listed object without key or size");
  return info;
}

std::optional<uint32_t> ChildCrc32c(const XMLElement& parent) {
  const XMLElement* child = Child(parent, "ChecksumCRC32C");
  return child == nullptr ? std::nullopt : DecodeCrc32c(TextOf(*child));
}

void AppendEscaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        out += c;
    }
  }
}

/// Length of the UTF-8 sequence that starts with `lead`; 0 when nothing may start so.
size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

}  // namespace

std::string StripQuotes(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

std::optional<S3ErrorBody> ParseErrorBody(std::string_view xml) {
  if (xml.find("Error") == std::string_view::npos) return std::nullopt;
  XMLDocument document;
  const Result<const XMLElement*> root = Root(document, xml, {"Error"});
  if (!root.ok()) return std::nullopt;
  const XMLElement& error = **root;
  return S3ErrorBody{ChildText(error, "Code"), ChildText(error, "Message"),
                     ChildText(error, "RequestId"), ChildText(error, "Region")};
}

Result<S3ListReply> ParseListReply(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(const XMLElement* const root, Root(document, xml, {"ListBucketResult"}));
  const bool encoded = ChildText(*root, "EncodingType") == "url";
  S3ListReply reply;
  for (const XMLElement* child = root->FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    const std::string_view name = LocalName(*child);
    if (name == "Contents") {
      MB_ASSIGN_OR_RETURN(ObjectInfo info, ParseListedObject(*child, encoded));
      reply.page.objects.push_back(std::move(info));
    } else if (name == "CommonPrefixes") {
      reply.page.prefixes.push_back(Decoded(ChildText(*child, "Prefix"), encoded));
    } else if (name == "IsTruncated") {
      reply.truncated = TextOf(*child) == "true";
    } else if (name == "NextContinuationToken") {
      reply.next_token = TextOf(*child);
    } else if (name == "NextMarker") {
      reply.next_marker = Decoded(TextOf(*child), encoded);
    }
  }
  return reply;
}

Result<std::string> ParseUploadId(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(const XMLElement* const root,
                      Root(document, xml, {"InitiateMultipartUploadResult"}));
  std::string id = ChildText(*root, "UploadId");
  if (id.empty()) return BadReply("a new upload without id");
  return id;
}

Result<S3ObjectReply> ParseObjectReply(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(
      const XMLElement* const root,
      Root(document, xml, {"CopyObjectResult", "CopyPartResult", "CompleteMultipartUploadResult"}));
  S3ObjectReply reply;
  reply.etag = StripQuotes(ChildText(*root, "ETag"));
  if (reply.etag.empty()) return BadReply("no ETag");
  reply.modified = ParseIso8601(ChildText(*root, "LastModified"));
  reply.crc32c = ChildCrc32c(*root);
  reply.checksum_type = ChildText(*root, "ChecksumType");
  return reply;
}

Result<S3PartsReply> ParsePartsReply(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(const XMLElement* const root,
                      Root(document, xml, {"ListPartsResult", "ListPartsResponse"}));
  S3PartsReply reply;
  reply.truncated = ChildText(*root, "IsTruncated") == "true";
  reply.next_marker = static_cast<uint32_t>(ToNumber(ChildText(*root, "NextPartNumberMarker")));
  reply.checksum_algorithm = ChildText(*root, "ChecksumAlgorithm");
  reply.checksum_type = ChildText(*root, "ChecksumType");
  for (const XMLElement* child = root->FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    if (LocalName(*child) != "Part") continue;
    PartInfo part;
    part.number = static_cast<uint32_t>(ToNumber(ChildText(*child, "PartNumber")));
    part.size = ToNumber(ChildText(*child, "Size"));
    part.etag = StripQuotes(ChildText(*child, "ETag"));
    part.crc32c = ChildCrc32c(*child);
    if (part.number == 0 || part.etag.empty()) return BadReply("a part without number or ETag");
    reply.parts.push_back(std::move(part));
  }
  return reply;
}

Result<S3UploadsReply> ParseUploadsReply(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(const XMLElement* const root,
                      Root(document, xml, {"ListMultipartUploadsResult"}));
  const bool encoded = ChildText(*root, "EncodingType") == "url";
  S3UploadsReply reply;
  reply.truncated = ChildText(*root, "IsTruncated") == "true";
  reply.next_key = Decoded(ChildText(*root, "NextKeyMarker"), encoded);
  reply.next_upload_id = ChildText(*root, "NextUploadIdMarker");
  for (const XMLElement* child = root->FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    if (LocalName(*child) != "Upload") continue;
    reply.uploads.push_back({Decoded(ChildText(*child, "Key"), encoded),
                             ChildText(*child, "UploadId"),
                             ParseIso8601(ChildText(*child, "Initiated"))});
  }
  return reply;
}

Result<std::vector<S3DeleteError>> ParseDeleteReply(std::string_view xml) {
  XMLDocument document;
  MB_ASSIGN_OR_RETURN(const XMLElement* const root,
                      Root(document, xml, {"DeleteResult", "DeleteObjectsOutput"}));
  std::vector<S3DeleteError> errors;
  for (const XMLElement* child = root->FirstChildElement(); child != nullptr;
       child = child->NextSiblingElement()) {
    if (LocalName(*child) != "Error") continue;
    errors.push_back(
        {ChildText(*child, "Key"), ChildText(*child, "Code"), ChildText(*child, "Message")});
  }
  return errors;
}

std::string CompleteBody(const std::vector<PartInfo>& parts, bool with_checksums) {
  std::string xml = "<CompleteMultipartUpload>";
  xml.reserve(parts.size() * 128 + 64);
  for (const PartInfo& part : parts) {
    xml += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>&quot;";
    AppendEscaped(xml, part.etag);
    xml += "&quot;</ETag>";
    if (with_checksums && part.crc32c) {
      xml += "<ChecksumCRC32C>" + EncodeCrc32c(*part.crc32c) + "</ChecksumCRC32C>";
    }
    xml += "</Part>";
  }
  return xml + "</CompleteMultipartUpload>";
}

std::string DeleteBody(const std::vector<std::string>& keys) {
  std::string xml = "<Delete><Quiet>true</Quiet>";
  for (const std::string& key : keys) {
    xml += "<Object><Key>";
    AppendEscaped(xml, key);
    xml += "</Key></Object>";
  }
  return xml + "</Delete>";
}

std::string CreateBucketBody(std::string_view region) {
  std::string xml = "<CreateBucketConfiguration><LocationConstraint>";
  AppendEscaped(xml, region);
  return xml + "</LocationConstraint></CreateBucketConfiguration>";
}

bool FitsXml(std::string_view key) {
  for (size_t i = 0; i < key.size();) {
    const auto lead = static_cast<unsigned char>(key[i]);
    const size_t length = SequenceLength(lead);
    if (lead < 0x20 || lead == 0x7f || length == 0 || i + length > key.size()) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(key[i + k]) & 0xc0U) != 0x80U) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace milvus_backup::storage
