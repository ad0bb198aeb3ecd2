//! What podcal has for shells and for `man`.

use crate::support::World;

#[tokio::test]
async fn each_shell_gets_a_script_that_knows_the_commands() {
    let world = World::start().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = world.podcal(&["completions", shell]).await.exits(0);
        ran.prints(&["every-room", "reload", "watch"]);
    }
    world
        .podcal(&["completions", "cmd"])
        .await
        .exits(2)
        .says(&["possible values", "bash"]);
}

/// The script is one that bash itself takes, and completes with.
#[tokio::test]
async fn bash_completes_a_command() {
    let world = World::start().await;
    let script = world.podcal(&["completions", "bash"]).await.exits(0).stdout;
    std::fs::write(world.path("podcal.bash"), script).unwrap();
    let line = "source podcal.bash; COMP_WORDS=(podcal rel); COMP_CWORD=1; COMP_LINE='podcal rel'; \
                COMP_POINT=10; _podcal podcal rel podcal; echo \"${COMPREPLY[@]}\"";
    let done = tokio::process::Command::new("bash")
        .args(["-c", line])
        .current_dir(world.path("."))
        .output()
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&done.stdout).trim(),
        "reload",
        "{done:?}"
    );
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command() {
    let world = World::start().await;
    world
        .podcal(&["man", "share/man1"])
        .await
        .exits(0)
        .prints(&["pages to share/man1"]);
    let page = |name: &str| std::fs::read_to_string(world.path("share/man1").join(name)).unwrap();
    let sync = page("podcal-sync.1");
    assert!(sync.contains(".TH podcal-sync 1"), "{sync}");
    assert!(sync.contains("dry\\-run"), "{sync}");
    assert!(page("podcal-pod-calendar-set.1").contains("Replace all meetings"));
    assert!(page("podcal.1").contains("podcal\\-reload(1)"));
    // Again, over the old ones.
    world.podcal(&["man", "share/man1"]).await.exits(0);
    std::fs::write(world.path("file"), "").unwrap();
    world
        .podcal(&["man", "file"])
        .await
        .exits(1)
        .says(&["cannot be written to file", "hint"]);
}
