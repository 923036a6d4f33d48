// Where results become text, and texts values: the writer and the reader of the JSON library are compiled here alone.
// Tested by tests/project/json_schemas.py.
#include "result_json.hpp"

namespace krohn {

std::string json_lines(const Json& object) { return object.dump(2) + "\n"; }

Json json_of(const std::string& text) { return Json::parse(text); }

}  // namespace krohn
