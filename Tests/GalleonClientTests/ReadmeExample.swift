// The example of the README, which quotes what stands between the two marks word for word.

// example begins
import GalleonClient

func treasureHunt(_ address: String) async throws {
  let client = try await GalleonClient.connect(address)

  let found = try await client.subscribe("hunt.*.loot")
  let loot = try await client.publisher(for: "hunt.1.loot")
  try await loot.publish("a golden compass", key: "ann")

  for try await event in found {
    print("\(event.topic): \(event.keyText ?? "somebody") found \(event.text)")
    break
  }
  await client.close()
}
// example ends
