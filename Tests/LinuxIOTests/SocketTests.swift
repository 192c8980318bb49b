import LinuxIO
import Testing

@Suite struct SocketTests {
  @Test func bytesTravelBothWaysOverTCP() throws {
    let connection = try Connection()
    #expect(try send(connection.client, [1, 2, 3]) == .processed(3))
    #expect(try receiveWaiting(connection.server) == [1, 2, 3])
    #expect(try send(connection.server, [4]) == .processed(1))
    #expect(try receiveWaiting(connection.client) == [4])
  }

  @Test func readingNothingWouldBlock() throws {
    let connection = try Connection()
    #expect(try receive(connection.client) == [])
  }
}
