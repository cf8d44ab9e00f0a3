//! The installation instructions of balenaOS, from its own contract, which the API does not have.

use super::install_method::InstallMethod;

/// The texts of one method.
pub(super) enum Texts {
    Steps(&'static [&'static str]),
    /// Texts with `SYSTEM` in place of the operating system of the computer that the device is connected to.
    BySystem(&'static [&'static str]),
}

/// Returns the texts of a method, or `None` if it is unknown.
pub(super) fn texts(method: &InstallMethod) -> Option<Texts> {
    Some(match method {
        InstallMethod::Image => Texts::Steps(&IMAGE),
        InstallMethod::InternalFlash => Texts::Steps(&INTERNAL_FLASH),
        InstallMethod::ExternalFlash => Texts::Steps(&EXTERNAL_FLASH),
        InstallMethod::ExternalBoot => Texts::Steps(&EXTERNAL_BOOT),
        InstallMethod::JetsonFlash => Texts::Steps(&JETSON_FLASH),
        InstallMethod::UsbMassStorage => Texts::Steps(&USB_MASS_STORAGE),
        InstallMethod::EdisonFlash => Texts::BySystem(&EDISON_FLASH),
        InstallMethod::Other(_) => return None,
    })
}

const IMAGE: [&str; 1] = ["{{#each deviceType.partials.instructions}}{{{this}}} {{/each}}"];

const INTERNAL_FLASH: [&str; 5] = [
    "{{#each deviceType.partials.connectDevice}}{{{this}}} {{/each}}",
    "Write the {{name}} file you downloaded to the {{deviceType.name}}. We recommend using [Etcher](https://etcher.balena.io/).",
    "Wait for writing of {{name}} to complete.",
    "{{#each deviceType.partials.disconnectDevice}}{{{this}}} {{/each}}",
    "{{{deviceType.partials.bootDevice}}} to boot the device.",
];

const EXTERNAL_FLASH: [&str; 12] = [
    "{{#each deviceType.partials.instructions}}{{{this}}} {{/each}}",
    "Insert the {{resolveContractAlias deviceType.data.media.altBoot.[0]}} to the host machine.",
    "Write the {{name}} file you downloaded to the {{resolveContractAlias deviceType.data.media.altBoot.[0]}}. We recommend using [Etcher](https://etcher.balena.io/).",
    "Wait for writing of {{name}} to complete.",
    "Remove the {{resolveContractAlias deviceType.data.media.altBoot.[0]}} from the host machine.",
    "Insert the freshly flashed {{resolveContractAlias deviceType.data.media.altBoot.[0]}} into the {{deviceType.name}}.",
    r#"<strong role="alert">Warning!</strong> This will also completely erase internal storage medium, so please make a backup first."#,
    "{{#each deviceType.partials.bootDeviceExternal}}{{{this}}} {{/each}}",
    "Wait for the {{deviceType.name}} to finish flashing and shutdown. {{#if deviceType.partials.flashIndicator}}Please wait until {{deviceType.partials.flashIndicator}}.{{/if}}",
    "Remove the {{resolveContractAlias deviceType.data.media.altBoot.[0]}} from the {{deviceType.name}}.",
    "{{#each deviceType.partials.bootDeviceInternal}}{{{this}}} {{/each}}",
    "{{{deviceType.partials.bootDevice}}} to boot the device.",
];

const EXTERNAL_BOOT: [&str; 6] = [
    "Insert the {{resolveContractAlias deviceType.data.media.defaultBoot}} to the host machine.",
    "Write the {{name}} file you downloaded to the {{resolveContractAlias deviceType.data.media.defaultBoot}}. We recommend using [Etcher](https://etcher.balena.io/).",
    "Wait for writing of {{name}} to complete.",
    "Remove the {{resolveContractAlias deviceType.data.media.defaultBoot}} from the host machine.",
    "Insert the freshly flashed {{resolveContractAlias deviceType.data.media.defaultBoot}} into the {{deviceType.name}}.",
    "{{{deviceType.partials.bootDevice}}} to boot the device.",
];

const JETSON_FLASH: [&str; 1] = [
    "To provision {{deviceType.name}}, follow the instructions using our [Jetson Flash tool](https://github.com/balena-os/jetson-flash/blob/master/docs/{{deviceType.slug}}.md) to make the process more streamlined.",
];

const USB_MASS_STORAGE: [&str; 1] = ["{{#each deviceType.partials.instructions}}{{{this}}} \n{{/each}}"];

const EDISON_FLASH: [&str; 6] = [
    "{{#each deviceType.partials.SYSTEM.flashDependencies}}{{{this}}} {{/each}}",
    "Unplug the {{deviceType.name}} from your system",
    "Unzip the downloaded {{name}} file",
    "{{#each deviceType.partials.SYSTEM.flashInstructions}}{{{this}}} {{/each}}",
    "Plug the {{deviceType.name}} as per the instructions on your terminal.",
    "You can check the progress of the provisioning on your terminal.",
];
