@main struct HuntDemo { static func main() {} }
