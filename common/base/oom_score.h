// Makes the kernel end a worker, and never the master, when memory runs out (oom_score_adj in proc(5)).
#pragma once

namespace baton {

// How far a worker is above the master, in thousandths of all memory.
constexpr int kWorkerOomScore = 200;
constexpr int kMostOomScore = 1'000;

int oom_score_adj();

// Sets it for this process. Any process may raise it; lowering it takes CAP_SYS_RESOURCE. False: it is
// unchanged.
bool set_oom_score_adj(int score);

// For the master, before its first worker: leaves room for the workers' score above its own, as far as the
// master may change its own.
inline void leave_room_for_workers() {
  constexpr int kMost = kMostOomScore - kWorkerOomScore;
  if (oom_score_adj() > kMost) set_oom_score_adj(kMost);
}

// For a worker, which has inherited the master's score.
inline void go_before_master() {
  const int score = oom_score_adj() + kWorkerOomScore;
  set_oom_score_adj(score < kMostOomScore ? score : kMostOomScore);
}

}  // namespace baton
