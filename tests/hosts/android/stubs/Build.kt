package android.os

object Build {
    const val MANUFACTURER = ""
    const val MODEL = ""

    object VERSION {
        const val RELEASE = ""
    }
}
