plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.2.20"
}

android {
    namespace = "org.tinysam2"
    compileSdk = 36

    defaultConfig {
        minSdk = 24
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    sourceSets {
        getByName("main") {
            manifest.srcFile("src/main/AndroidManifest.xml")
            kotlin.srcDirs("src/core/kotlin", "src/main/kotlin")
        }
        getByName("androidTest") {
            kotlin.srcDirs("src/replay/kotlin", "src/androidTest/kotlin")
            // The bundle that is replayed: put its folder there, as build/bundle/android.
            assets.srcDirs("build/bundle")
        }
        getByName("test") { kotlin.srcDirs("src/test/kotlin") }
    }

    // Runtimes load artifacts from files as they are.
    androidResources { noCompress += listOf("tflite", "pte") }
}

kotlin { compilerOptions { jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11) } }

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.8.0")

    // The runtimes: an app adds the one that it uses. Their least versions stand in the bundle's manifest.
    compileOnly("com.google.ai.edge.litert:litert:2.3.0")
    compileOnly("org.pytorch:executorch-android:1.5.1")

    testImplementation("junit:junit:4.13.2")
    testImplementation(kotlin("test"))
    androidTestImplementation("com.google.ai.edge.litert:litert:2.3.0")
    androidTestImplementation("org.pytorch:executorch-android:1.5.1")
    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("androidx.test.ext:junit:1.2.1")
}
