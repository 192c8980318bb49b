import GalleonClient

// Names that WireFormat has too. A file that needs both modules says which it means with these.
typealias ClientGap = Gap
typealias ClientGapCause = GapCause
typealias ClientCloseReason = CloseReason
typealias ClientLeftOut = LeftOut
typealias ClientBlocked = Blocked
typealias ClientStatsPage = StatsPage
