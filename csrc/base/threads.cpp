#include "base/threads.h"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <mutex>

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "base/error.h"
#include "base/serial_thread.h"

namespace tilewise {
namespace {

std::atomic<int> requested_threads{0};  // 0: not set by the user
thread_local bool serial_thread = false;

// After fork() the child has one thread but libgomp believes that its workers still exist and
// would wait for them for ever: the child computes serially (with the same bits).
std::atomic<bool> forked_child{false};
void note_fork() { forked_child.store(true); }
[[maybe_unused]] const int fork_hook = pthread_atfork(nullptr, nullptr, note_fork);

int container_quota() {
  // cgroup v2 ("max 100000" or "200000 100000"), then v1.
  double quota = -1;
  double period = -1;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%lf %lf", &quota, &period) != 2) quota = -1;
    std::fclose(file);
  } else if (std::FILE* quota_file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
    if (std::fscanf(quota_file, "%lf", &quota) != 1) quota = -1;
    std::fclose(quota_file);
    if (std::FILE* period_file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
      if (std::fscanf(period_file, "%lf", &period) != 1) period = -1;
      std::fclose(period_file);
    }
  }
  if (quota <= 0 || period <= 0) return 1 << 20;
  const int cpus = static_cast<int>(std::ceil(quota / period));
  return cpus < 1 ? 1 : cpus;
}

int machine_limit() {
  static const int limit = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    int affinity = 1 << 20;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) affinity = CPU_COUNT(&set);
    const int quota = container_quota();
    return affinity < quota ? affinity : quota;
  }();
  return limit;
}

// Denormals can slow arithmetic fifty-fold; inside kernels they count as zero.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040U); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() {}
  ~FlushDenormals() {}
#endif
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

class FirstError {
 public:
  void keep(std::exception_ptr error) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::move(error);
    failed_.store(true, std::memory_order_relaxed);
  }
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::atomic<bool> failed_{false};
};

// The pieces of a region, cut into one run of neighbours for each thread: it reads memory in order
// and far from the others, which two threads in turn on neighbouring pieces do a fifth more slowly.
// Who has done with its own run takes pieces from the next one's.
class Runs {
 public:
  Runs(index_t count, int team) : size_(team < most ? team : most) {
    const index_t length = count / size_;
    const index_t longer = count % size_;
    for (int i = 0; i < size_; ++i) {
      runs_[i].taken.store(0, std::memory_order_relaxed);
      runs_[i].first = length * i + (i < longer ? i : longer);
      runs_[i].length = length + (i < longer ? 1 : 0);
    }
  }

  // Calls body with pieces until none is left or `error` is set; `backwards` from the last one of a
  // run to its first.
  void work(int thread, bool backwards, const FirstError& error, FunctionRef<void(index_t)> body) {
    for (int i = 0; i < size_; ++i) {
      Run& run = runs_[(thread + i) % size_];
      for (index_t k; !error.failed() && (k = run.taken.fetch_add(1)) < run.length;) {
        body(run.first + (backwards ? run.length - 1 - k : k));
      }
    }
  }

 private:
  static constexpr int most = 64;
  struct alignas(64) Run {
    std::atomic<index_t> taken;
    index_t first;
    index_t length;
  };
  int size_;
  Run runs_[most];
};

void serial_for(index_t count, bool backwards, FunctionRef<void(index_t)> body) {
  FlushDenormals flush;
  for (index_t k = 0; k < count; ++k) body(backwards ? count - 1 - k : k);
}

void for_pieces(index_t count, bool backwards, FunctionRef<void(index_t)> body) {
  if (count <= 0) return;
  const int limit = count == 1 ? 1 : num_threads();
  const int team = count < limit ? static_cast<int>(count) : limit;
  if (team == 1 || omp_in_parallel()) {
    serial_for(count, backwards, body);
    return;
  }
  FirstError error;
  Runs runs(count, team);
#pragma omp parallel num_threads(team)
  {
    FlushDenormals flush;
    try {
      runs.work(omp_get_thread_num(), backwards, error, body);
    } catch (...) {
      error.keep(std::current_exception());
    }
  }
  error.rethrow();
}

}  // namespace

int num_threads() {
  if (serial_thread || forked_child.load(std::memory_order_relaxed)) return 1;
  const int requested = requested_threads.load(std::memory_order_relaxed);
  if (requested > 0) return requested;
  const int openmp = omp_get_max_threads();
  return openmp < machine_limit() ? openmp : machine_limit();
}

void set_num_threads(int count) {
  TW_CHECK(count >= 1 && count <= 1024, "set_num_threads: expected 1 to 1024 threads, got ", count);
  requested_threads.store(count);
}

void set_serial_thread(bool serial) { serial_thread = serial; }

void parallel_for(index_t count, index_t multiply_adds, FunctionRef<void(index_t)> body) {
  constexpr index_t worth_waking = index_t{1} << 18;  // some microseconds of one core
  if (multiply_adds < worth_waking) {
    serial_for(count, false, body);
  } else {
    parallel_for(count, body);
  }
}

void parallel_for(index_t count, FunctionRef<void(index_t)> body) {
  for_pieces(count, false, body);
}

void parallel_backwards(index_t count, FunctionRef<void(index_t)> body) {
  for_pieces(count, true, body);
}

void parallel_ranges(index_t size, index_t grain, FunctionRef<void(index_t, index_t)> body) {
  parallel_for(ceil_div(size, grain), [&](index_t piece) {
    const index_t first = piece * grain;
    body(first, first + grain < size ? first + grain : size);
  });
}

}  // namespace tilewise
