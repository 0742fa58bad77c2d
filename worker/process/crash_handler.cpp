#include "worker/process/crash_handler.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <string_view>

namespace baton {

namespace {

constexpr int kOwnFrames = 8;  // most frames of the handler and the signal trampoline

alignas(64) char handler_stack[std::size_t{64} * 1024];
alignas(64) char app_handler_stack[sizeof handler_stack];
volatile sig_atomic_t app_thread = 0;
CrashRecord* crash_record = nullptr;
CrashHooks crash_hooks;
struct sigaction actions_before[NSIG];

std::uint64_t interrupted_at(const void* context) {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return machine.pc;
#else
#error "say where this machine keeps the program counter"
#endif
}

// File names of the images. The loader knows their mappings by names such as /proc/self/fd/57.
constexpr std::string_view kImagePrefix = "/proc/self/fd/";
struct Image {
  int fd = -1;
  char name[CrashRecord::kObjectNameBytes] = {};
};
Image images[32];  // a backtrace names later images by number only
std::size_t image_count = 0;

// Returns -1 if the name is not that of an image. No document promises that strtol(3) is async-signal-safe.
int image_number(std::string_view loaded_as) {
  if (!loaded_as.starts_with(kImagePrefix)) return -1;
  int number = 0;
  for (const char digit : loaded_as.substr(kImagePrefix.size())) number = number * 10 + (digit - '0');
  return number;
}

void copy_name(char (&to)[CrashRecord::kObjectNameBytes], std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t size = name.size() < sizeof to ? name.size() : sizeof to;
  for (std::size_t i = 0; i < sizeof to; ++i) to[i] = i < size ? name[i] : '\0';
}

// Notes the object that the frame is in, unless that is the program itself or noted already. The loader
// answers without a lock, so that exceptions can be thrown anywhere. So it may be asked in a signal handler.
void record_object(CrashRecord& record, std::uint64_t frame) {
  const std::uint32_t count = record.object_count.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (frame >= record.objects[i].begin && frame < record.objects[i].end) return;
  }
  dl_find_object found{};
  if (count == CrashRecord::kMaxObjects || ::_dl_find_object(std::bit_cast<void*>(frame), &found) != 0)
    return;
  const std::string_view path = found.dlfo_link_map->l_name;
  if (path.empty()) return;
  CrashRecord::Object& object = record.objects[count];
  object.begin = reinterpret_cast<std::uint64_t>(found.dlfo_map_start);
  object.end = reinterpret_cast<std::uint64_t>(found.dlfo_map_end);
  object.bias = found.dlfo_link_map->l_addr;
  object.image = image_number(path);
  copy_name(object.name, path);
  for (std::size_t i = 0; i < image_count; ++i) {
    if (images[i].fd == object.image)
      std::copy(std::begin(images[i].name), std::end(images[i].name), object.name);
  }
  record.object_count.store(count + 1, std::memory_order_release);
}

// Only async-signal-safe calls here and below: the signal may have come in the middle of malloc(3).
void record_crash(CrashRecord& record, const siginfo_t& info, std::uint64_t at) {
  record.signal = info.si_signo;
  record.code = info.si_code;
  record.address = info.si_code > 0 ? reinterpret_cast<std::uint64_t>(info.si_addr)
                                    : static_cast<std::uint64_t>(info.si_pid);
  record.frames[0] = at;
  // The first frame is stored before the stack is walked: in a stack that is in ruins the walk makes a second
  // fault, which ends the process.
  record.frame_count.store(1, std::memory_order_release);
  record_object(record, at);
  void* frames[CrashRecord::kMaxFrames + kOwnFrames];
  const int count = ::backtrace(frames, static_cast<int>(std::size(frames)));
  void** const last = frames + count;
  void** frame = frames;
  while (frame != last && reinterpret_cast<std::uint64_t>(*frame) != at) ++frame;
  if (frame == last) return;
  std::uint32_t kept = 1;
  for (++frame; frame != last && kept < CrashRecord::kMaxFrames; ++frame) {
    record.frames[kept++] = reinterpret_cast<std::uint64_t>(*frame);
  }
  record.frame_count.store(kept, std::memory_order_release);
  for (std::uint32_t i = 1; i < kept; ++i) record_object(record, record.frames[i]);
}

void on_fatal_signal(int signal, siginfo_t* info, void* context) {
  crash_hooks.allow_writing();
  // The stack tells whether this is the event thread, which may be running a module in the place of the app
  // thread.
  const char here = 0;
  const bool on_event_stack = &here >= std::begin(handler_stack) && &here < std::end(handler_stack);
  const bool standing_in = on_event_stack && crash_hooks.interrupt_module();
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  const bool sent = info->si_code <= 0 && info->si_pid != ::getpid();
  if (signal == SIGABRT && sent && app_thread != 0 && self != app_thread && !standing_in) {
    ::syscall(SYS_tgkill, ::getpid(), static_cast<pid_t>(app_thread), signal);
    return;
  }
  record_crash(*crash_record, *info, interrupted_at(context));
  // The signal is sent again, with all that the kernel said of it. It is delivered as soon as this handler
  // returns, at the very instruction, so a core dump shows the fault and not this handler.
  ::sigaction(signal, &actions_before[signal], nullptr);
  ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::syscall(SYS_gettid), signal, info);
}

void use_stack(char (&memory)[sizeof handler_stack]) {
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  ::sigaltstack(&stack, nullptr);
}

}  // namespace

void use_crash_stack() {
  use_stack(app_handler_stack);
}

void report_aborts_of(pid_t thread) {
  app_thread = thread;
}

void name_image(int image, std::string_view file) {
  const auto same = [image](const Image& other) { return other.fd == image; };
  if (image_count == std::size(images) || std::any_of(images, images + image_count, same)) return;
  images[image_count].fd = image;
  copy_name(images[image_count].name, file);
  ++image_count;
}

void install_crash_handler(CrashRecord& record, CrashHooks hooks) {
  crash_record = &record;
  crash_hooks = hooks;
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // the first call loads libgcc
  use_stack(handler_stack);
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  // While the handler runs, all signals are blocked: a fault in it makes the kernel end the process.
  ::sigfillset(&action.sa_mask);
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int signal : kFatalSignals) ::sigaction(signal, &action, &actions_before[signal]);
}

}  // namespace baton
