//! Faults at random from a seed, and the promises that hold whatever they were.

use super::*;

/// A small generator of numbers: the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One thing that goes wrong, or right again.
fn befall(story: &mut Story, random: &mut Random) {
    let titles = ["A", "B", "C", "D"];
    match random.below(16) {
        0 => story.pod.shown.clear(),
        1 => story.pod.shown = agenda(&[(100, "Theirs")]).meetings().to_vec(),
        2 => story.pod.mode = ReportedMode::Other("Google Workspace".into()),
        3 => story.pod.mode = ReportedMode::ThirdParty,
        4 => story.pod.down = Some(failure(FailureClass::TimedOut)),
        5 | 6 => story.pod.down = None,
        7 => {
            let asked = Failure {
                retry_after: Some(Duration::from_secs(random.below(900))),
                ..failure(FailureClass::Throttled)
            };
            story.pod.failures.push_back(asked);
        }
        8 => story.pod.failures.push_back(failure(FailureClass::Other)),
        9 => {
            let quirks = [
                Quirk::None,
                Quirk::ReadsEmpty,
                Quirk::Keeps(2),
                Quirk::Late(random.below(40)),
                Quirk::Ignores,
                Quirk::Cuts(3),
                Quirk::Rewrites,
                Quirk::NewIds,
            ];
            let index = usize::try_from(random.below(8)).unwrap();
            story.pod.quirk = quirks[index];
        }
        10 => {
            story.restart(random.below(100));
        }
        11 => story.pod.device = Some(format!("dev-{}", random.below(2))),
        12 => story.pod.loses_answer = true,
        13 => {
            story.set = i64::try_from(random.below(7200)).unwrap() - 3600;
            story.controller.clock_stepped(story.now());
        }
        _ => {
            let count = usize::try_from(random.below(4)).unwrap() + 1;
            let meetings: Vec<_> = titles[..count]
                .iter()
                .zip(100..)
                .map(|(title, hour)| (hour, *title))
                .collect();
            story.want(&meetings);
        }
    }
}

#[test]
fn when_the_faults_end_the_display_is_right_after_the_longest_wait() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut story = Story::new();
        story.want(&DAY);
        for _ in 0..60 {
            befall(&mut story, &mut random);
            story.live(random.below(300));
        }
        let hours = story.second.div_ceil(3600) as usize;
        assert!(
            story.puts.len() < hours * 60,
            "seed {seed}: {} pushes",
            story.puts.len()
        );
        story.pod.down = None;
        story.pod.failures.clear();
        story.pod.mode = ReportedMode::ThirdParty;
        story.pod.quirk = Quirk::None;
        story.pod.pending = None;
        story.pod.loses_answer = false;
        // A refresh of a display that could not be verified, or an hour's budget of those.
        story.live(3660);
        let wanted = story.wanted().agenda.unwrap();
        let shown = Agenda::new(story.pod.shown.clone());
        assert!(
            shown.looks_like(&wanted) && story.state() == PodState::InStep,
            "seed {seed}: {:?} {:?}, shows {shown:?}, wants {wanted:?}",
            story.state(),
            story.controller.view().detail,
        );
    }
}
