//! What the containers of a device see, and what of it a boot leaves.

use std::net::Ipv4Addr;
use std::time::Duration;

use balena_agent::simulator::Device;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::send;

/// Asks the device's name server for the IPv4 addresses of a name. Returns the response code and the answers' part.
async fn resolve(device: &Device, name: &str) -> (u8, Vec<u8>) {
    let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, u8::try_from(name.len()).unwrap_or_default()];
    query.extend(name.as_bytes());
    query.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    socket.send_to(&query, device.dns_address()).await.expect("sent");
    let mut answer = [0; 512];
    let receiving = socket.recv(&mut answer);
    let length = timeout(Duration::from_secs(5), receiving).await.expect("in time").expect("an answer");
    (answer[3] & 0x0f, answer[query.len()..length].to_vec())
}

#[tokio::test]
async fn every_service_has_its_own_view() {
    let device = Device::start().await.expect("a device");
    let (main, helper) =
        (device.environment("main").expect("main"), device.environment("helper").expect("helper"));
    assert_eq!(
        (main["BALENA_SERVICE_NAME"].as_str(), helper["BALENA_SERVICE_NAME"].as_str()),
        ("main", "helper")
    );
    assert_ne!(main["BALENA_SUPERVISOR_API_KEY"], helper["BALENA_SUPERVISOR_API_KEY"]);
    assert_ne!(main["BALENA_APP_LOCK_PATH"], helper["BALENA_APP_LOCK_PATH"]);
    assert_eq!(main["BALENA_APP_ID"], helper["BALENA_APP_ID"]);
    let (one, other) = (device.container_address("main"), device.container_address("helper"));
    assert!(one != other && one.is_loopback() && one == device.container_address("main"));
    // A client can come from there.
    UdpSocket::bind((one, 0)).await.expect("on the loopback interface");
}

#[tokio::test]
async fn running_services_have_names() {
    let device = Device::start().await.expect("a device");
    let (code, answer) = resolve(&device, "helper").await;
    assert_eq!(code, 0);
    assert!(answer.ends_with(&device.container_address("helper").octets()), "{answer:?}");
    assert_eq!(resolve(&device, "nobody").await, (3, Vec::new()));

    let stopped = r#"{"serviceName":"helper"}"#;
    send(&device, "POST", "/v2/applications/1/stop-service", stopped).await.expect("an answer");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(resolve(&device, "helper").await.0, 3, "a stopped container has no name");

    let two = vec![Ipv4Addr::new(127, 77, 0, 9), Ipv4Addr::new(127, 77, 0, 10)];
    device.set_dns_answer("main", two);
    assert_eq!(resolve(&device, "main").await.1.len(), 2 * 16);
    device.set_dns_answer("main", Vec::new());
    assert_eq!(resolve(&device, "main").await.0, 3);
}

#[tokio::test]
async fn a_boot_keeps_volumes_and_nothing_else() {
    let device = Device::builder()
        .with_timings(|timings| {
            timings.power_off = Duration::from_millis(10);
            timings.boot = Duration::from_millis(10);
        })
        .start()
        .await
        .expect("a device");
    let kept = device.volume_directory(1, "main-data").join("kept");
    std::fs::File::create(&kept).expect("the volume is a directory");
    let lock = device.lock_directory(1, "main").join("updates.lock");
    std::fs::File::create(&lock).expect("a lock");
    let boot_id = device.boot_id();
    assert_eq!(std::fs::read_to_string(device.boot_id_file()).expect("a file").trim_end(), boot_id);

    device.reboot();
    let booted = async {
        while device.boot_id() == boot_id {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        device.power_on().await;
    };
    timeout(Duration::from_secs(5), booted).await.expect("a boot");
    assert_eq!(std::fs::read_to_string(device.boot_id_file()).expect("a file").trim_end(), device.boot_id());
    assert!(kept.exists() && !lock.exists());
    assert!(device.lock_directory(1, "main").is_dir(), "the engine has made the mount point again");

    let purge = timeout(Duration::from_secs(10), async {
        while !send(&device, "POST", "/v1/purge", r#"{"appId":1,"force":true}"#)
            .await
            .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    purge.await.expect("a purge");
    assert!(!kept.exists() && device.volume_directory(1, "main-data").is_dir());
}
