//! What a server tells of itself and of the machine that it runs on: `sys/host-info`, `sys/ha-status`,
//! `sys/version-history`.

use coffer_clock::UnixMillis;
use serde_json::{Map, Value, json};
use sysinfo::{Disks, System};

use crate::keys::VERSIONS;
use crate::reply::Reply;
use crate::routes::Context;
use crate::time::rfc3339;
use crate::{Core, Error, limits};

/// Processors, memory and disks. <https://developer.hashicorp.com/vault/api-docs/system/host-info>
pub async fn info(c: &mut Context<'_>) -> Result<Reply, Error> {
    let now = rfc3339(c.core.clock.now());
    let told = tokio::task::spawn_blocking(move || measure(&now)).await;
    match told {
        Ok(Ok(told)) => Ok(Reply::data(told)),
        Ok(Err(error)) => Err(Error::Unavailable {
            mount: "sys/".to_owned(),
            reason: format!("the machine cannot be looked at: {error}"),
        }),
        Err(_) => Err(Error::Sealed),
    }
}

fn measure(now: &str) -> Result<Value, sysinfo::Error> {
    let mut system = System::new()?;
    system.refresh_memory();
    system.refresh_cpu_all();
    let cpus: Vec<_> = system
        .cpus()
        .iter()
        .enumerate()
        .map(|(n, cpu)| {
            json!({ "cpu": n, "vendorId": cpu.vendor_id(), "modelName": cpu.brand(), "mhz": cpu.frequency() })
        })
        .collect();
    let disks: Vec<_> = Disks::new_with_refreshed_list()?
        .iter()
        .map(|disk| {
            let (total, free) = (disk.total_space(), disk.available_space());
            json!({
                "path": disk.mount_point().to_string_lossy(),
                "fstype": disk.file_system().to_string_lossy(),
                "total": total,
                "free": free,
                "used": total.saturating_sub(free),
                "usedPercent": percent(total.saturating_sub(free), total),
            })
        })
        .collect();
    let (total, used) = (system.total_memory(), system.used_memory());
    Ok(json!({
        "timestamp": now,
        "cpu": cpus,
        "disk": disks,
        "host": {
            "hostname": System::host_name().ok(),
            "uptime": System::uptime().ok(),
            "bootTime": System::boot_time().ok(),
            "os": std::env::consts::OS,
            "platform": System::distribution_id(),
            "platformVersion": System::os_version().ok(),
            "kernelVersion": System::kernel_version().ok(),
            "kernelArch": System::cpu_arch(),
        },
        "memory": {
            "total": total,
            "available": system.available_memory(),
            "used": used,
            "usedPercent": percent(used, total),
            "free": system.free_memory(),
            "swapTotal": system.total_swap(),
            "swapFree": system.free_swap(),
        },
    }))
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64 * 100.0
}

/// The requests that are under way. <https://developer.hashicorp.com/vault/api-docs/system/in-flight-req>
pub async fn under_way(c: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::bare(c.core.under_way.describe().into()))
}

/// The servers of the cluster. <https://developer.hashicorp.com/vault/api-docs/system/ha-status>
pub async fn ha_status(c: &mut Context<'_>) -> Result<Reply, Error> {
    Ok(Reply::flat(json!({ "nodes": [{
        "hostname": System::host_name().ok(),
        "api_address": c.core.config.api_addr,
        "cluster_address": "",
        "active_node": true,
        "last_echo": null,
        "version": c.core.config.version,
    }] })))
}

/// Notes that this version runs, if it did not before.
pub async fn note_version(core: &Core) -> Result<(), Error> {
    let key = format!("{VERSIONS}{}", core.config.version);
    core.transact(|mut txn| {
        let key = key.clone();
        async move {
            if txn.get(&key).await?.is_none() {
                txn.put(key, core.clock.now().0.to_be_bytes().to_vec());
            }
            Ok(((), txn))
        }
    })
    .await
}

/// Which versions have run. <https://developer.hashicorp.com/vault/api-docs/system/version-history>
pub async fn versions(c: &mut Context<'_>) -> Result<Reply, Error> {
    let mut versions = Vec::new();
    for key in c.txn.list(VERSIONS, None, limits::MAX_LIST).await? {
        let stored = c.txn.get(&key).await?;
        let millis =
            stored.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_slice().try_into().ok()?)));
        let version = key.strip_prefix(VERSIONS).unwrap_or_default().to_owned();
        versions.push((millis.unwrap_or_default(), version));
    }
    versions.sort();
    let mut info = Map::new();
    let mut previous: Option<&str> = None;
    for (installed, version) in &versions {
        let about = json!({
            "build_date": "",
            "previous_version": previous,
            "timestamp_installed": rfc3339(UnixMillis(*installed)),
        });
        info.insert(version.clone(), about);
        previous = Some(version);
    }
    let keys: Vec<_> = versions.iter().map(|(_, version)| version).collect();
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}
