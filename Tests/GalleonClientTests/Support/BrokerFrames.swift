import WireFormat

/// The frames of a broker, as bytes.
enum BrokerFrames {
  static func frame(_ body: (inout FrameWriter) -> Bool) -> [UInt8] {
    var writer = FrameWriter()
    let fits = body(&writer)
    precondition(fits)
    return writer.array
  }

  static func welcome(
    version: UInt16 = 1, instance: UInt64 = 7, session: UInt64 = 1, inbox: UInt64 = 900,
    heartbeatMs: UInt32 = 15_000, codecs: CodecSet = .all, batchBytesMax: UInt32 = 65_536, time: UInt64 = 1_000_000
  ) -> [UInt8] {
    frame {
      Welcome(
        version: version, codecs: codecs, frameLengthMax: 262_144, batchBytesMax: batchBytesMax,
        heartbeatMs: heartbeatMs, subscriptionsMax: 1024, publishersMax: 1024,
        instance: instance, session: session, inbox: inbox, time: time, brokerName: "fake 1"
      ).encode(into: &$0)
    }
  }

  static func topic(
    ref: UInt32, id: UInt32 = 1, options: TopicOptions = [], correlation: UInt32 = 0
  ) -> [UInt8] {
    frame {
      Topic(
        topic: id, options: options, created: true, epoch: 1, firstSequence: 1, nextSequence: 1
      ).encode(into: &$0, ref: ref, correlation: correlation)
    }
  }

  static func error(
    _ code: ErrorCode, ref: UInt32, correlation: UInt32 = 0, text: String = "no"
  ) -> [UInt8] {
    frame {
      ErrorFrame(code: code, retryable: code.retryable, text: text)
        .encode(into: &$0, ref: ref, correlation: correlation)
    }
  }

  static func ack(ref: UInt32, through: UInt64) -> [UInt8] {
    frame {
      Ack(level: .accepted, through: through, sequence: through).encode(into: &$0, ref: ref)
    }
  }

  static func publishCredit(ref: UInt32, events: UInt64, bytes: UInt64) -> [UInt8] {
    frame { PublishCredit(eventsTotal: events, bytesTotal: bytes).encode(into: &$0, ref: ref) }
  }

  static func topicClosed(ref: UInt32) -> [UInt8] {
    frame { TopicClosed().encode(into: &$0, ref: ref) }
  }

  static func subscribed(ref: UInt32) -> [UInt8] {
    frame { Subscribed(topics: 1, policy: .lossless).encode(into: &$0, ref: ref) }
  }

  static func unsubscribed(ref: UInt32, delivered: UInt64) -> [UInt8] {
    frame {
      Unsubscribed(
        matchedEvents: delivered, deliveredEvents: delivered, droppedEvents: 0, expiredEvents: 0,
        closedEvents: 0
      ).encode(into: &$0, ref: ref)
    }
  }

  static func topicInfo(id: UInt32 = 1, name: String = "hunt.1") -> [UInt8] {
    frame { TopicInfo(topic: id, options: [], epoch: 1, name: name).encode(into: &$0) }
  }

  static func gap(
    ref: UInt32, topic: UInt32 = 1, cause: GapCause, first: UInt64, last: UInt64
  ) -> [UInt8] {
    frame {
      Gap(
        topic: topic, cause: cause, first: first, last: last, count: last - first + 1, bytes: 100
      ).encode(into: &$0, ref: ref)
    }
  }

  static func policySet(ref: UInt32, correlation: UInt32) -> [UInt8] {
    frame { PolicySet(policy: .lossless).encode(into: &$0, ref: ref, correlation: correlation) }
  }

  /// Each batch of one event, as it would be: sequences with payloads.
  static func selected(
    ref: UInt32, topic: UInt32 = 1, _ events: [(UInt64, String)]
  ) -> [UInt8] {
    let all = events.flatMap { batch([$0.1], sequence: $0.0, topic: topic) }
    return frame {
      unsafe DeliverSelected(topic: topic).encode(into: &$0, ref: ref, batches: all.span.bytes)
    }
  }

  static func passed(
    ref: UInt32, topic: UInt32 = 1, kind: LeftOut = .conflated, first: UInt64, last: UInt64,
    events: UInt64, expired: UInt64 = 0
  ) -> [UInt8] {
    frame {
      Passed(
        topic: topic, kind: kind, first: first, last: last, events: events, bytes: events * 40,
        expiredEvents: expired, expiredBytes: expired * 40
      ).encode(into: &$0, ref: ref)
    }
  }

  static func stateReset(ref: UInt32, topic: UInt32 = 1) -> [UInt8] {
    frame { StateReset(topic: topic).encode(into: &$0, ref: ref) }
  }

  static func blocked(
    _ side: BlockedSide, ref: UInt32, by: BlockedBy, events: UInt64 = 0
  ) -> [UInt8] {
    frame {
      Blocked(side: side, by: by, pendingEvents: events, pendingBytes: events * 40)
        .encode(into: &$0, ref: ref)
    }
  }

  static func ping(time: UInt64, correlation: UInt32) -> [UInt8] {
    frame { Ping(time: time).encode(into: &$0, correlation: correlation) }
  }

  static func pong(correlation: UInt32, time: UInt64 = 0) -> [UInt8] {
    frame { Pong(time: time).encode(into: &$0, correlation: correlation) }
  }

  static func close(
    _ reason: CloseReason, retryable: Bool? = nil, afterMs: UInt32 = 0, spreadMs: UInt32 = 0
  ) -> [UInt8] {
    frame {
      Close(
        reason: reason, retryable: retryable ?? reason.retryable, retryAfterMs: afterMs,
        spreadMs: spreadMs, text: "so it is"
      ).encode(into: &$0)
    }
  }

  static func reply(inbox: UInt64, token: UInt64, payload: String) -> [UInt8] {
    frame { writer in
      let batch = BrokerFrames.batch([payload], sequence: 0)
      return unsafe Reply(inbox: inbox, token: token)
        .encode(into: &writer, batch: batch.span.bytes)
    }
  }

  static func statsPage(
    correlation: UInt32, total: UInt64, offset: UInt64, bytes: [UInt8]
  ) -> [UInt8] {
    frame {
      unsafe StatsPage(total: total, offset: offset)
        .encode(into: &$0, correlation: correlation, bytes: bytes.span.bytes)
    }
  }

  /// A stamped batch with its padding.
  static func batch(
    _ payloads: [String], sequence: UInt64, topic: UInt32 = 1, codec: Codec = .none,
    keys: [String?] = []
  ) -> [UInt8] {
    var writer = BatchWriter(batchBytesMax: WireLimits.batchBytesCeiling)
    for (index, payload) in payloads.enumerated() {
      let key = index < keys.count ? keys[index] : nil
      let fits = unsafe [UInt8](payload.utf8).withUnsafeBytes { payload in
        if let key {
          unsafe [UInt8](key.utf8).withUnsafeBytes { key in
            unsafe writer.append(payload: payload, key: key)
          }
        } else {
          unsafe writer.append(payload: payload, key: nil)
        }
      }
      precondition(fits)
    }
    let batch = unsafe writer.finish(
      codec: codec, codecs: Codecs(), publishTime: 5, publisherSequence: 1)
    var bytes = unsafe [UInt8](batch)
    unsafe bytes.withUnsafeMutableBytes { raw in
      unsafe Batch.stamp(
        raw.baseAddress!, sequence: sequence, time: 77, bytesBefore: 0, topic: topic)
    }
    return bytes
  }

  static func deliver(
    ref: UInt32, topic: UInt32 = 1, skip: UInt32 = 0, _ batches: [[UInt8]]
  ) -> [UInt8] {
    let all = batches.flatMap { $0 }
    return frame {
      unsafe Deliver(topic: topic, skip: skip)
        .encode(into: &$0, ref: ref, batches: all.span.bytes)
    }
  }
}
