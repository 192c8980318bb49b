import LinuxIO
import Testing

@Suite struct SocketOptionTests {
  @Test(arguments: [
    (Socket.Option.noDelay, Int32(1)), (.notSentLowWaterBytes, 131_072), (.quickAck, 1),
    (.keepAlive, 1), (.keepAliveIdleSeconds, 30), (.keepAliveIntervalSeconds, 5),
    (.keepAliveProbes, 3), (.userTimeoutMilliseconds, 20_000), (.reuseAddress, 1),
    (.reusePort, 1),
  ])
  func whatIsSetIsReadBack(option: Socket.Option, value: Int32) throws {
    let socket = try Socket.open(for: .loopback(port: 0))
    try Socket.set(option, value, on: socket.rawValue)
    #expect(try Socket.get(option, on: socket.rawValue) == value)
  }

  @Test(arguments: [Socket.Option.sendBufferBytes, .receiveBufferBytes])
  func bufferSizesAreKeptDouble(option: Socket.Option) throws {
    let socket = try Socket.open(for: .loopback(port: 0))
    try Socket.set(option, 32768, on: socket.rawValue)
    #expect(try Socket.get(option, on: socket.rawValue) == 65536)
  }

  @Test func keepAliveSetsAllFour() throws {
    let socket = try Socket.open(for: .loopback(port: 0))
    let fd = socket.rawValue
    try Socket.keepAlive(fd, idleSeconds: 20, intervalSeconds: 4, probes: 2)
    #expect(try Socket.get(.keepAlive, on: fd) == 1)
    #expect(try Socket.get(.keepAliveIdleSeconds, on: fd) == 20)
    #expect(try Socket.get(.keepAliveIntervalSeconds, on: fd) == 4)
    #expect(try Socket.get(.keepAliveProbes, on: fd) == 2)
  }

  /// Every kernel has reno.
  @Test func congestionControlIsChosenByName() throws {
    let socket = try Socket.open(for: .loopback(port: 0))
    try Socket.setCongestionControl("reno", on: socket.rawValue)
    #expect(try Socket.congestionControl(on: socket.rawValue) == "reno")
    #expect(throws: SystemError(.noSuchFile, "setsockopt")) {
      try Socket.setCongestionControl("nosuchthing", on: socket.rawValue)
    }
    #expect(try Socket.congestionControl(on: socket.rawValue) == "reno")
  }

  @Test func optionsOfTCPFailOnALocalSocket() throws {
    let connection = try Connection.unixPair()
    #expect(throws: SystemError(.notSupported, "setsockopt")) {
      try Socket.set(.noDelay, 1, on: connection.client)
    }
  }

  @Test func theModeCanBeChanged() throws {
    let connection = try Connection.unixPair()
    #expect(try receive(connection.client) == [])
    try Socket.setMode(.blocking, on: connection.client)
    try Socket.shutdown(connection.server, .writing)
    #expect(try receive(connection.client) == nil)
  }
}
