import CoreVideo
import SwiftUI
import TinySAM2

/// Shows the mask of the object that was tapped. The camera calls `show` with every pixel buffer.
@MainActor
@Observable
final class MaskModel {
    private(set) var mask: CGImage?
    private(set) var message: String?
    private var tracker: Tracker?
    private var tap: Prompt?
    private var isBusy = false

    func start(bundle: URL) async {
        do {
            let opened = try await Tracker.open(bundle: bundle, runtime: CoreMLRuntime())
            try await opened.load()
            try await opened.warmUp()
            tracker = opened
        } catch {
            message = "\(error)"
        }
    }

    /// x, y: in pixels of the frame.
    func tapped(x: Double, y: Double) {
        tap = .point(x: x, y: y)
    }

    /// Drops the frame while another one is tracked.
    func show(_ buffer: CVPixelBuffer) async {
        guard let tracker, !isBusy else { return }
        isBusy = true
        defer { isBusy = false }
        do {
            let isTracking = await !tracker.objectIds.isEmpty
            guard isTracking || tap != nil else { return }
            let prompts = tap.map { [1: $0] } ?? [:]
            tap = nil
            mask = try await tracker.track(Frame(pixelBuffer: buffer), prompts: prompts).image()
        } catch {
            message = "\(error)"
        }
    }
}

/// To lay over the camera's picture, scaled alike.
struct MaskView: View {
    let model: MaskModel
    let bundle: URL

    var body: some View {
        ZStack {
            if let mask = model.mask {
                Image(decorative: mask, scale: 1).resizable().scaledToFill()
            }
            if let message = model.message {
                Text(message)
            }
        }
        .task { await model.start(bundle: bundle) }
    }
}
