//! `podcal pod ADDRESS`: whom it gives the password to.

use podcal::model::digest::hex;

use crate::support::{World, meeting};

/// The arguments that read the metadata of the pod of `oak` by its bare address.
fn bare<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        &["pod", url, "--password-file", "password", "metadata"],
        more,
    ]
    .concat()
}

#[tokio::test]
async fn the_certificate_that_the_ledger_knows_holds_for_a_bare_address() {
    let world = World::in_step(&[meeting("Standup", 1)]).await;
    let url = world.pod("oak").url();
    world.podcal(&bare(&url, &[])).await.exits(0);
    world.pod("oak").new_certificate().unwrap();
    world.pod("oak").forget_requests();
    world
        .podcal(&bare(&url, &[]))
        .await
        .exits(1)
        .says(&["shows another certificate"]);
    assert_eq!(world.pod("oak").requests(), []);
}

#[tokio::test]
async fn a_certificate_that_nobody_accepted_gets_no_password() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    let url = world.pod("oak").url();
    let fingerprint = hex(&world.pod("oak").fingerprint());
    world.podcal(&bare(&url, &[])).await.exits(1).says(&[
        "the password was not sent",
        &fingerprint,
        "--fingerprint",
    ]);
    let wrong = "ab".repeat(32);
    for more in [&["--fingerprint", &wrong][..], &["--ca"]] {
        world.podcal(&bare(&url, more)).await.exits(1);
    }
    assert_eq!(world.pod("oak").requests(), []);
    for more in [&["--fingerprint", &fingerprint][..], &["--insecure"]] {
        world.podcal(&bare(&url, more)).await.exits(0);
    }
    world
        .podcal(&["pod", "--help"])
        .await
        .exits(0)
        .prints(&["otherwise the fingerprint is printed"]);
}

#[tokio::test]
async fn an_address_that_is_read_as_another_one_is_refused() {
    let world = World::of_one_room(&[meeting("Standup", 1)]).await;
    for (written, meant) in [("010.001.002.011", "10.1.2.11"), ("10.1", "10.0.0.1")] {
        world
            .podcal(&bare(written, &[]))
            .await
            .exits(2)
            .says(&["did you mean", meant]);
    }
}
