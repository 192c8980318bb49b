/// One template for each topic.
///
/// It is `@safe` because it owns the templates and every index is compared with `count`.
@safe struct TemplateTable: ~Copyable {
  private let templates: UnsafeMutablePointer<EventTemplate>
  let count: Int
  /// The longest event among the topics.
  let strideMax: Int

  init(count: Int, _ make: (Int) -> EventTemplate) {
    precondition(count > 0, "a run has a topic")
    let memory = UnsafeMutablePointer<EventTemplate>.allocate(capacity: count)
    var longest = 0
    for index in 0..<count {
      unsafe (memory + index).initialize(to: make(index))
      unsafe longest = max(longest, memory[index].stride)
    }
    unsafe templates = memory
    self.count = count
    strideMax = longest
  }

  deinit {
    unsafe templates.deinitialize(count: count)
    unsafe templates.deallocate()
  }

  subscript(topic: Int) -> UnsafeMutablePointer<EventTemplate> {
    @inline(always) get {
      precondition(topic >= 0 && topic < count, "no such topic in this run")
      return unsafe templates + topic
    }
  }
}
