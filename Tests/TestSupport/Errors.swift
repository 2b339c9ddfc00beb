// What tests of errors share.

/// The line of the error that `body` throws, nil when it throws none.
public func errorLine(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
