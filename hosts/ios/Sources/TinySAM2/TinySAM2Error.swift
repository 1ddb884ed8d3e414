import Foundation

/// Everything that this package throws; `description` is one sentence for the developer.
public enum TinySAM2Error: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
    /// The bundle is damaged, incomplete or of a kind that this package does not know.
    case bundle(String)
    /// A frame cannot be read: its size or pixel format is wrong.
    case frame(String)
    /// A prompt does not fit the frame, or nothing was ever prompted.
    case prompt(String)
    /// The runtime refuses an artifact or a call.
    case runtime(String)
    /// The tracker was closed.
    case closed

    public var description: String {
        switch self {
        case .bundle(let sentence), .frame(let sentence), .prompt(let sentence), .runtime(let sentence):
            return sentence
        case .closed:
            return "the tracker is closed; open another one"
        }
    }

    public var errorDescription: String? { description }
}
