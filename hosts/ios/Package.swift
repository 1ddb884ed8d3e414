// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "TinySAM2",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "TinySAM2", targets: ["TinySAM2"]),
        .executable(name: "tinysam2-replay", targets: ["tinysam2-replay"]),
    ],
    targets: [
        .target(name: "TinySAM2"),
        .executableTarget(name: "tinysam2-replay", dependencies: ["TinySAM2"]),
        .testTarget(name: "TinySAM2Tests", dependencies: ["TinySAM2"]),
    ]
)
