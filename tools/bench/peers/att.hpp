// The arcs of an AT&T text file whose symbols are single letters, for the programs that time other libraries.
#pragma once

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

struct AttFile {
  struct Arc {
    int from;
    int to;
    int symbol;  // the letter's code
  };
  int start = -1;
  int num_states = 0;
  std::vector<Arc> arcs;
  std::vector<int> finals;
};

inline AttFile read_att(const char* path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(std::string(path) + " cannot be read");
  AttFile result;
  for (std::string line; std::getline(file, line);) {
    int from = 0;
    int to = 0;
    char symbol = 0;
    const int fields = std::sscanf(line.c_str(), "%d %d %c", &from, &to, &symbol);
    if (fields < 1) continue;
    if (result.start < 0) result.start = from;
    result.num_states = std::max(result.num_states, from + 1);
    if (fields == 3) {
      result.num_states = std::max(result.num_states, to + 1);
      result.arcs.push_back({from, to, symbol});
    } else {
      result.finals.push_back(from);
    }
  }
  return result;
}

// Processor seconds of this process: other load on the machine counts less than in wall-clock time.
inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
