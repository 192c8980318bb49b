import GalleonClient

/// What was published to one topic, by the one publisher that it has.
struct PublishedTopic: Sendable, Equatable {
  let topic: String
  /// Events that the publisher took.
  let published: UInt64
  /// Events that the broker acknowledged, or has read where no acknowledgement was asked for.
  let acknowledged: UInt64
  /// Events that may not have reached the broker.
  let lost: UInt64
}

/// What one subscription saw, and what the broker says about it.
struct WatchedSubscription: Sendable, Equatable {
  let name: String
  let pattern: String
  var topics: [String: WatchedTopic]
  /// The closing account; nil where the broker gave none.
  var account: SubscriptionAccount?
  /// Where a player's steps did not come one by one, as sentences. Only counted by who asks for it.
  var stepFaults: [String] = []
  /// Where it does not end with every player's last step, as sentences. Only looked for where it
  /// conflates.
  var stateFaults: [String] = []
}

/// Treasures picked up and their points, as the one that gives them and the one that adds them up
/// see it.
struct RewardSums: Sendable, Equatable {
  var count: UInt64 = 0
  var points: UInt64 = 0

  mutating func take(_ reward: RewardPayload) {
    count += 1
    points += UInt64(reward.points)
  }
}

/// One sum and whether it is right.
struct SumCheck: Sendable, Equatable {
  let name: String
  /// What is wrong, a sentence each; empty where the sum is right.
  let problems: [String]
  var isRight: Bool { problems.isEmpty }
}

/// Compares what was published with what arrived. Both sides counted for themselves.
struct Sums: Sendable {
  var published: [PublishedTopic]
  var watched: [WatchedSubscription]
  var rewardsGiven = RewardSums()
  var rewardsSeen = RewardSums()

  func checks() -> [SumCheck] {
    [
      SumCheck(name: "the broker has all that was published", problems: brokerHasAll()),
      SumCheck(
        name: "published = delivered + conflated + itemised gaps, for every subscription and topic",
        problems: everythingIsAccounted()),
      SumCheck(name: "who conflates ends with every player's last step", problems: stateIsFinal()),
      SumCheck(name: "no gap on the topics that block", problems: noGapOnBlockTopics()),
      SumCheck(
        name: "order kept: sequences and steps, without a break where nothing is left out",
        problems: orderIsKept()),
      SumCheck(
        name: "the broker's closing accounts say the same", problems: brokerAccountsAgree()),
      SumCheck(name: "points given = points on the board", problems: rewardsAgree()),
    ]
  }

  /// What a subscription had to see of a topic.
  func published(matching pattern: String) -> UInt64 {
    published.reduce(0) {
      $0 + (HuntTopics.matches($1.topic, pattern) ? $1.published : 0)
    }
  }

  private func brokerHasAll() -> [String] {
    published.compactMap { topic in
      if topic.acknowledged == topic.published && topic.lost == 0 { return nil }
      return "\(topic.topic): \(topic.published) published, the broker has \(topic.acknowledged), "
        + "\(topic.lost) may be lost"
    }
  }

  private func everythingIsAccounted() -> [String] {
    var problems: [String] = []
    for subscription in watched {
      for topic in published where HuntTopics.matches(topic.topic, subscription.pattern) {
        let seen = subscription.topics[topic.topic] ?? WatchedTopic()
        if seen.accounted != topic.published {
          problems.append(
            "\(subscription.name), \(topic.topic): \(topic.published) published, "
              + "\(seen.events) delivered, \(seen.conflated) conflated, "
              + "\(seen.missingCount) in gaps")
        }
      }
      let known = Set(published.map(\.topic))
      for topic in subscription.topics.keys.sorted() where !known.contains(topic) {
        problems.append("\(subscription.name), \(topic): nobody here publishes that")
      }
    }
    return problems
  }

  private func stateIsFinal() -> [String] {
    watched.flatMap { subscription in
      subscription.stateFaults.map { "\(subscription.name): \($0)" }
    }
  }

  private func noGapOnBlockTopics() -> [String] {
    watched.flatMap { subscription in
      subscription.topics.sorted { $0.key < $1.key }.compactMap { name, topic in
        if !HuntTopics.blocks(name) || topic.gapCount == 0 { return nil }
        return "\(subscription.name), \(name): \(topic.missingCount) events in "
          + "\(topic.gapCount) gaps"
      }
    }
  }

  private func orderIsKept() -> [String] {
    watched.flatMap { subscription in
      subscription.topics.sorted { $0.key < $1.key }.flatMap { name, topic in
        let unsaid = topic.faultCount - UInt64(topic.faults.count)
        return topic.faults.map { "\(subscription.name), \(name): \($0)" }
          + (unsaid > 0 ? ["\(subscription.name), \(name): and \(unsaid) more"] : [])
      } + subscription.stepFaults.map { "\(subscription.name): \($0)" }
    }
  }

  private func brokerAccountsAgree() -> [String] {
    watched.compactMap { subscription in
      guard let account = subscription.account else {
        return "\(subscription.name): the broker gave no account"
      }
      let delivered = subscription.topics.values.reduce(0) { $0 + $1.events }
      let missing = subscription.topics.values.reduce(0) { $0 + $1.missingCount }
      let conflated = subscription.topics.values.reduce(0) { $0 + $1.conflated }
      let matched = published(matching: subscription.pattern)
      if account.matched == matched && account.delivered == delivered
        && account.dropped + account.expired == missing && account.leftOut == conflated
        && account.closed == 0
      {
        return nil
      }
      return "\(subscription.name): \(matched) published, \(delivered) delivered, "
        + "\(conflated) conflated, \(missing) in gaps; the broker says \(account.matched) matched, "
        + "\(account.delivered) delivered, \(account.leftOut) left out, "
        + "\(account.dropped + account.expired) dropped, \(account.closed) left"
    }
  }

  private func rewardsAgree() -> [String] {
    if rewardsGiven == rewardsSeen { return [] }
    return [
      "\(rewardsGiven.count) rewards of \(rewardsGiven.points) points were given, the board has "
        + "\(rewardsSeen.count) of \(rewardsSeen.points)"
    ]
  }
}
