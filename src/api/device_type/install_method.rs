//! Methods of installing an OS on a device.

use crate::open_enum::open_enum;

open_enum! {
    /// How an OS is installed on the devices of a type.
    InstallMethod {
        /// The device runs the OS from an external medium, such as an SD card.
        ExternalBoot = "externalBoot",
        /// An external medium, once booted, writes the OS to the device's internal storage.
        ExternalFlash = "externalFlash",
        /// Another computer writes the OS to the device's internal storage.
        InternalFlash = "internalFlash",
        /// An emulator runs the image file.
        Image = "image",
        /// The Jetson Flash tool writes the OS.
        JetsonFlash = "jetsonFlash",
        /// Another computer writes the OS; the device appears to it as a USB disk.
        UsbMassStorage = "usbMassStorage",
        /// The tools of the Intel Edison write the OS.
        EdisonFlash = "edisonFlash",
    }
}
