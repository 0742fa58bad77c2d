// module = { file, config, .. } of a route.
#include <nlohmann/json.hpp>

#include "common/config/sections.h"

namespace baton {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

ordered_json to_json(const TomlValue& value, const ConfigContext& context) {
  if (const auto* boolean = value.boolean()) return *boolean;
  if (const auto* integer = value.integer()) return *integer;
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  if (const auto* string = value.string()) return *string;
  if (const auto* array = value.array()) {
    ordered_json list = ordered_json::array();
    for (const TomlValue& element : *array) list.push_back(to_json(element, context));
    return list;
  }
  if (const auto* table = value.table()) {
    ordered_json object = ordered_json::object();
    for (const TomlEntry& entry : *table) object[entry.key] = to_json(entry.value, context);
    return object;
  }
  context.errors.add(value.at, "a module is not given dates or times; expected a string in their place");
  return nullptr;
}

void read_file(TableReader& reader, const ConfigContext& context, ModuleConfig& module) {
  const auto written = reader.required_string("file");
  if (!written) return;
  if (written->value.empty()) return reader.fail(written->at, "'file' is empty; expected a shared object");
  module.file = context.resolve(written->value);
  std::error_code error;
  const fs::file_status status = fs::status(module.file, error);
  if (!fs::exists(status)) {
    reader.fail(written->at, "'file': the module " + module.file + " does not exist");
  } else if (!fs::is_regular_file(status)) {
    reader.fail(written->at, "'file': the module " + module.file + " is not a file");
  }
}

}  // namespace

ModuleConfig read_module(const TomlValue& table, const ConfigContext& context) {
  TableReader reader{table, "[site.route.module]", context.errors};
  ModuleConfig module;
  read_file(reader, context, module);
  if (const TomlValue* config = reader.table("config")) module.config = to_json(*config, context).dump();
  module.timeout = reader.duration("timeout");
  if (const auto bytes = reader.size("max_body", 0, kMaxBodyBytes)) module.max_body = *bytes;
  if (const auto most = reader.integer("max_concurrency", 0, kMaxWorkersPerGeneration))
    module.max_concurrency = static_cast<std::uint32_t>(most->value);
  if (const auto retries = reader.integer("retries", 0, kMaxRetries))
    module.retries = static_cast<std::uint32_t>(retries->value);
  reader.finish();
  return module;
}

}  // namespace baton
