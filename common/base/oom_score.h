// Who is ended first when memory runs out (oom_score_adj in proc(5)): a worker, never the master.
#pragma once

namespace baton {

// How far a worker is above the master: as if it had so many thousandths of all memory more.
constexpr int kWorkerOomScore = 200;
constexpr int kMostOomScore = 1'000;

int oom_score_adj();

// Of this process. Anybody may raise it; to lower it takes CAP_SYS_RESOURCE. False: it is as it was.
bool set_oom_score_adj(int score);

// By the master, before its first worker: room for theirs above its own, as far as that is its to make.
inline void leave_room_for_workers() {
  constexpr int kMost = kMostOomScore - kWorkerOomScore;
  if (oom_score_adj() > kMost) set_oom_score_adj(kMost);
}

// By a worker, which has begun with the master's.
inline void go_before_master() {
  const int score = oom_score_adj() + kWorkerOomScore;
  set_oom_score_adj(score < kMostOomScore ? score : kMostOomScore);
}

}  // namespace baton
