import Foundation
import TinySAM2

/// `tinysam2-replay BUNDLE RESULTS`: replays a bundle's golden vectors by Core ML and writes `results.json`.
@main
struct Replaying {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else {
            end("usage: tinysam2-replay BUNDLE RESULTS, for example: tinysam2-replay dist/ios results.json", status: 2)
        }
        do {
            let runtime = try makeRuntime()
            let bundle = URL(fileURLWithPath: arguments[1], isDirectory: true)
            let file = URL(fileURLWithPath: arguments[2])
            let results = try await Replay.run(bundle: bundle, runtime: runtime, writingTo: file)
            await runtime.close()
            let equal = results.preprocessing.filter(\.equal).count
            print("preprocessing: \(equal) of \(results.preprocessing.count) equal to the bit")
            print("wrote \(file.path); judge it by: tinysam2 verify \(arguments[1]) --results \(arguments[2])")
        } catch {
            end("error: \(error)", status: 2)
        }
    }

    private static func makeRuntime() throws -> any Runtime {
        #if canImport(CoreML)
        return try CoreMLRuntime()
        #else
        throw TinySAM2Error.runtime(
            "there is no Core ML on this system; run it on macOS or call Replay.run in an iOS app")
        #endif
    }

    private static func end(_ sentence: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data((sentence + "\n").utf8))
        exit(status)
    }
}
