@main struct Galleon { static func main() {} }
