import CKernel

/// A thread of the operating system. `join` waits for its end; one that is not joined runs on by
/// itself when this value goes.
public struct Thread: ~Copyable, Sendable {
  private let handle: UInt64

  /// Starts a thread.
  ///
  /// - Parameters:
  ///   - name: What tools show; cut to 15 bytes by the kernel's limit.
  ///   - cpu: Bind it to this processor, from its first instruction on.
  ///   - stackBytes: Room for its stack, reserved and not used until touched; nil takes the
  ///     system's default (8 MiB as a rule).
  ///   - body: Runs on the new thread and belongs to it. It is not isolated to any actor; a closure
  ///     written in `main.swift` must not reach for that file's variables.
  public static func spawn(
    name: String, cpu: Int? = nil, stackBytes: Int? = nil,
    _ body: sending @escaping () -> Void
  ) throws(SystemError) -> Thread {
    let start = Start(name, body)
    let argument = unsafe Unmanaged.passRetained(start).toOpaque()
    var handle: UInt64 = 0
    do throws(SystemError) {
      _ = try perform("pthread_create") {
        unsafe ck_thread_spawn(
          { unsafe Thread.run($0) }, argument, stackBytes ?? 0, Int32(cpu ?? -1), &handle)
      }
    } catch {
      unsafe Unmanaged<Start>.fromOpaque(argument).release()
      throw error
    }
    return Thread(handle: handle)
  }

  /// Carries the closure to the new thread, which takes it out and frees it.
  private final class Start {
    let name: String
    let body: () -> Void

    init(_ name: String, _ body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
    setCurrentName(start.name)
    start.body()
    return nil
  }

  /// Waits for the thread's end.
  public consuming func join() {
    let handle = self.handle
    discard self
    let result = ck_thread_join(handle)
    // The handle is valid by construction; what remains is a thread that waits for itself.
    precondition(result == 0, "a thread cannot join itself")
  }

  deinit {
    _ = ck_thread_detach(handle)
  }

  /// Names the calling thread; cut to 15 bytes.
  public static func setCurrentName(_ name: String) {
    let cut = String(decoding: name.utf8.prefix(15), as: UTF8.self)
    // Only a name that is too long fails; replacing a broken character could lengthen it again.
    _ = unsafe ck_thread_set_name(cut.utf8.count <= 15 ? cut : "thread")
  }

  public static var currentName: String {
    var name = [CChar](repeating: 0, count: 16)
    let size = name.count
    guard unsafe ck_thread_name(&name, size) == 0 else { return "" }
    return text(name)
  }

  /// The kernel's number of the calling thread.
  public static var currentID: Int32 { ck_thread_id() }

  /// Binds the calling thread to one processor.
  public static func setCurrentCPU(_ cpu: Int) throws(SystemError) {
    _ = try perform("pthread_setaffinity_np") { ck_thread_set_cpu(Int32(cpu)) }
  }

  /// Lets others run.
  public static func yield() { ck_thread_yield() }

  /// One breath of a spin loop: spares the other half of the core.
  @_noLocks
  public static func spinPause() { ck_pause() }
}
