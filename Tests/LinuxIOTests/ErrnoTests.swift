import Testing

@testable import LinuxIO

@Suite struct ErrnoTests {
  /// The numbers are written out in the source; the C library knows the names.
  @Test(arguments: [
    (Errno.notPermitted, "EPERM"), (.noSuchFile, "ENOENT"), (.noSuchProcess, "ESRCH"),
    (.interrupted, "EINTR"), (.inputOutput, "EIO"), (.badFileDescriptor, "EBADF"),
    (.noChildProcess, "ECHILD"), (.wouldBlock, "EAGAIN"), (.noMemory, "ENOMEM"),
    (.permissionDenied, "EACCES"), (.badAddress, "EFAULT"), (.fileExists, "EEXIST"),
    (.notDirectory, "ENOTDIR"), (.isDirectory, "EISDIR"), (.invalidArgument, "EINVAL"),
    (.tooManyOpenFilesInSystem, "ENFILE"), (.tooManyOpenFiles, "EMFILE"),
    (.notTerminal, "ENOTTY"), (.fileTooLarge, "EFBIG"), (.noSpace, "ENOSPC"),
    (.readOnlyFileSystem, "EROFS"), (.brokenPipe, "EPIPE"), (.nameTooLong, "ENAMETOOLONG"),
    (.notImplemented, "ENOSYS"), (.directoryNotEmpty, "ENOTEMPTY"), (.tooManyLinks, "ELOOP"),
    (.noNetwork, "ENONET"), (.protocolFault, "EPROTO"), (.notSocket, "ENOTSOCK"),
    (.noSuchProtocolOption, "ENOPROTOOPT"), (.notSupported, "EOPNOTSUPP"),
    (.familyNotSupported, "EAFNOSUPPORT"), (.addressInUse, "EADDRINUSE"),
    (.addressNotAvailable, "EADDRNOTAVAIL"), (.networkDown, "ENETDOWN"),
    (.networkUnreachable, "ENETUNREACH"), (.connectionAborted, "ECONNABORTED"),
    (.connectionReset, "ECONNRESET"), (.noBufferSpace, "ENOBUFS"),
    (.alreadyConnected, "EISCONN"), (.notConnected, "ENOTCONN"), (.timedOut, "ETIMEDOUT"),
    (.connectionRefused, "ECONNREFUSED"), (.hostDown, "EHOSTDOWN"),
    (.hostUnreachable, "EHOSTUNREACH"), (.alreadyInProgress, "EALREADY"),
    (.inProgress, "EINPROGRESS"), (.quotaExceeded, "EDQUOT"),
  ])
  func everyConstantHasItsName(errno: Errno, name: String) {
    // The C library knows one of the two names of a number that has two.
    #expect(errno.name == name || (errno.name == "ENOTSUP" && name == "EOPNOTSUPP"))
  }

  @Test func descriptionsAreTheSystemsSentences() {
    #expect(Errno.connectionRefused.description == "Connection refused")
    #expect(Errno(rawValue: 4000).name == "E4000")
    #expect(Errno(rawValue: 4000).description == "Unknown error 4000")
    #expect(
      SystemError(.connectionRefused, "connect").description == "connect: Connection refused")
  }

  @Test func aPeerThatIsGoneIsRecognised() {
    #expect(SystemError(.connectionReset, "recv").isPeerGone)
    #expect(SystemError(.brokenPipe, "send").isPeerGone)
    #expect(!SystemError(.timedOut, "recv").isPeerGone)
  }

  @Test func interruptedCallsAreRepeated() throws {
    var attempts = 0
    let result = try perform("test") {
      attempts += 1
      return attempts < 3 ? -Int(Errno.interrupted.rawValue) : 7
    }
    #expect(result == 7 && attempts == 3)
  }

  @Test func wouldBlockIsAValueOnlyWhereItCanHappen() throws {
    let answer = -Int(Errno.wouldBlock.rawValue)
    #expect(try performUnlessBlocking("test") { answer } == nil)
    #expect(throws: SystemError(.wouldBlock, "test")) { try perform("test") { answer } }
  }

  @Test func aWrongDescriptorEndsTheProcess() async {
    // Beyond every limit of descriptors, so that no other thread can have opened it.
    await #expect(processExitsWith: .failure) {
      _ = try Socket.localAddress(Int32.max)
    }
    await #expect(processExitsWith: .failure) {
      Socket.close(Int32.max)
    }
  }
}
