"""Checks: a configuration that cannot be followed is refused, with file, line, column and what would be right."""

from datetime import date
from pathlib import Path

import pytest

from easel.providers.base.clock import DateClock
from easel.router import ConfigError, Router

from .conftest import TODAY

MODEL = "openai/gpt-image-2"
GOOD = f"routes: [{{name: r, prefer: [{MODEL}]}}]\n"


def started(tmp_path: Path, config: str, today: date = TODAY) -> Router:
    path = tmp_path / "easel.yaml"
    path.write_text(config)
    return Router(path, clock=DateClock(today), environment={})


def route(rest: str) -> str:
    return f"version: 1\nroutes:\n  - name: one\n    {rest}\n"


def prefer(rest: str) -> str:
    return route(f"prefer: {rest}")


def expression(expr: str) -> str:
    return route(f"prefer: [{MODEL}]\n    expr: {expr}")


def deployment(rest: str) -> str:
    return f"version: 1\ndeployments:\n  - {rest}\n{GOOD}"


@pytest.mark.parametrize(
    ("config", "line", "column", "says"),
    [
        # Keys
        (f"version: 1\n{GOOD}polcy: {{}}\n", 3, 1, "unknown key 'polcy'; did you mean 'policy'?"),
        (f"version: 1\n{GOOD}policy:\n  deadlin_seconds: 5\n", 4, 3, "did you mean 'deadline_seconds'?"),
        (route(f"prefer: [{MODEL}]\n    when: {{backgroud: opaque}}"), 5, 12, "did you mean 'background'?"),
        (route(f"prefer: [{MODEL}]\n    name: two"), 5, 5, "'name' is given twice; the first is at line 3"),
        (f"version: 1\n{GOOD}{GOOD}", 3, 1, "'routes' is given twice; the first is at line 2"),
        (GOOD, 1, 1, "version is missing"),
        ("version: 2\n", 1, 1, "version is 2; it must be 1"),
        (route("only: true"), 3, 5, "prefer is missing"),
        # Types
        (f"version: 1\n{GOOD}policy:\n  deadline_seconds: soon\n", 4, 3, "must be a number, not 'soon'"),
        (f"version: 1\n{GOOD}policy:\n  on_refusal: stopp\n", 4, 3, "did you mean 'stop'?"),
        (f"version: 1\n{GOOD}policy:\n  retries: {{attempts: 0}}\n", 4, 13, "greater than or equal to 1"),
        (route(f"prefer: [{MODEL}]\n    when: {{background: transparant}}"), 5, 12, "did you mean 'transparent'?"),
        (route(f"prefer: [{MODEL}]\n    when: {{n: 5}}"), 5, 12, "must be a mapping, not 5"),
        ("version: 1\nroutes: {name: r}\n", 2, 1, "routes must be a list"),
        ("- version: 1\n", 1, 1, "the file must be a mapping"),
        ("version: 1\nroutes: [\n", 3, 1, "expected node content"),
        ("version: 1\nroutes: !!python/object:os.system x\n", 2, 9, "means nothing here"),
        # Deployments
        (deployment("{provider: opanai, key: {env: K}}"), 3, 6, "unknown provider 'opanai'; did you mean 'openai'?"),
        (deployment("{provider: openai, key: sk-123}"), 3, 24, "is named, never written: {env: NAME}, {file: PATH}"),
        (deployment("{provider: openai, key: {env: K}, models: [gpt-image-22]}"), 3, 39, "did you mean 'gpt-image-2'?"),
        (deployment("{provider: openai, key: {env: K}, settings: {organisation: x}}"), 3, 50, "mean 'organization'?"),
        (deployment("{provider: openai, headers: {Authorization: x}}"), 3, 24, "carries a key; name it under `key`"),
        (deployment("{provider: azure_openai, key: {env: K}}"), 3, 5, "needs a base_url"),
        (deployment("{provider: openai, key: {env: K}, concurrency: 0}"), 3, 39, "greater than or equal to 1"),
        (deployment("provider: openai\n  - provider: openai"), 4, 5, "is there already"),
        # Routes
        (prefer("[openai/gpt-image-22]"), 4, 14, "no such deployment; did you mean 'openai/gpt-image-2'?"),
        (prefer(f"[{MODEL}, opnai/gpt-image-2]"), 4, 34, "no such deployment; did you mean 'openai/gpt-image-2'?"),
        (prefer("[]"), 3, 5, "prefer is empty; name at least one deployment"),
        (prefer("{weights: {openai/gpt-image-3: 1}}"), 4, 24, "no such deployment; did you mean"),
        (prefer(f"{{weights: {{{MODEL}: 0}}}}"), 4, 14, "at least one weight must be above 0"),
        (prefer("{by: [price], among: {providers: [opanai]}}"), 4, 35, "did you mean 'openai'?"),
        (prefer("{by: [price], among: {deployments: [openai/gpt-image-3]}}"), 4, 35, "no such deployment"),
        (route(f"prefer: [{MODEL}]\n    canary: {{deployment: bfl/flux-3, percent: 5}}"), 5, 14, "no such deployment"),
        (route(f"prefer: [{MODEL}]\n    canary: {{deployment: {MODEL}, percent: 0}}"), 5, 46, "greater than 0"),
        (route(f"prefer: [{MODEL}]\n  - name: one\n    prefer: [{MODEL}]"), 5, 5, "route 'one' is there already"),
        (f"version: 1\nroutes: [{{name: auto, prefer: [{MODEL}]}}]\n", 2, 11, "auto means every route"),
        (f"version: 1\nroutes: [{{name: '', prefer: [{MODEL}]}}]\n", 2, 11, "a route needs a name"),
        # Expressions
        (expression("'n >'"), 5, 5, "expr is not CEL"),
        (expression("'promt == \"a\"'"), 5, 5, "expr names 'promt', which a request does not have; did you mean"),
        (expression("'tags.exists(t, t == \"a\")'"), 5, 5, "expr may not use exists()"),
        (expression("'timestamp(prompt) > 1'"), 5, 5, "expr may not call timestamp()"),
        (expression("'" + "n > 1 && " * 200 + "true'"), 5, 5, "at most 1000 characters"),
        # Nobody can
        (
            route("when: {background: transparent}\n    prefer: [bfl/flux-2-pro]"),
            3,
            5,
            "no model can serve route 'one': bfl/flux-2-pro cannot return a transparent background",
        ),
        (
            route("when: {mask: present}\n    prefer: [google/gemini-nano-banana-2.1]"),
            3,
            5,
            "google/gemini-nano-banana-2.1 takes no mask",
        ),
        (
            route("when: {background: transparent}\n    prefer: {by: [price], among: {providers: [bfl]}}"),
            3,
            5,
            "bfl/flux-2-pro cannot return a transparent background",
        ),
        (
            route("when: {needs: vector}\n    prefer: {weights: {bfl/flux-2-pro: 1, azure/gpt-image-2: 1}}"),
            3,
            5,
            "no model can serve route 'one'",
        ),
        # Gone
        (prefer("[google/imagen-4.0-generate-001]"), 4, 14, "ended on 2026-08-17 (https://ai.google.dev"),
        (
            prefer(f"{{weights: {{{MODEL}: 1, openai/gpt-image-1: 1}}}}"),
            4,
            47,
            "openai/gpt-image-1 ended on 2026-10-23 (https://developers.openai.com/api/docs/deprecations); in its pl",
        ),
        (
            route(f"prefer: [{MODEL}]\n    canary: {{deployment: openai/dall-e-3, percent: 5}}"),
            5,
            14,
            "openai/dall-e-3 ended on",
        ),
    ],
)
def test_nothing_starts(tmp_path: Path, config: str, line: int, column: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        started(tmp_path, config)
    found = [each for each in caught.value.problems if says in each.message]
    assert found, str(caught.value)
    assert (found[0].file, found[0].line, found[0].column) == (str(tmp_path / "easel.yaml"), line, column), found[0]
    assert f"easel.yaml:{line}:{column}: " in str(caught.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    config = """
version: 1
routes:
  - name: one
    prefer: [openai/gpt-image-22]
  - name: two
    prefer: [bfl/flux-22]
  - name: three
    when: {mask: present}
    prefer: [google/gemini-nano-banana-2.1]
"""
    with pytest.raises(ConfigError) as caught:
        started(tmp_path, config)
    assert [each.line for each in caught.value.problems] == [5, 7, 8]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("{by: [speed]}", "prefer.by.0 is 'speed'; it must be 'price' or 'latency'"),
        ("{weights: {openai/gpt-image-2: many}}", "must be a whole number, not 'many'"),
        ("{by: [price], amon: {}}", "unknown key 'amon'; did you mean 'among'?"),
        ("openai/gpt-image-2", "prefer must be a list, not 'openai/gpt-image-2'"),
    ],
)
def test_a_mistake_in_one_kind_of_preference_is_told_once(tmp_path: Path, given: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        started(tmp_path, prefer(given))
    (problem,) = caught.value.problems
    assert says in problem.message
    assert problem.line == 4


def test_two_files_of_a_folder_give_a_section_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"version: 1\n{GOOD}")
    (tmp_path / "b.yaml").write_text(f"version: 1\n{GOOD}")
    with pytest.raises(ConfigError, match=r"b\.yaml:2:1: routes is given here and in .*a\.yaml; keep one"):
        Router(tmp_path, clock=DateClock(TODAY), environment={})


def test_a_model_that_ends_after_its_facts_were_read_is_a_note(tmp_path: Path) -> None:
    """A configuration that was good yesterday starts today: the plan passes over what has ended."""
    config = prefer(f"[openai/gpt-image-1.5, {MODEL}]")
    assert started(tmp_path, config).findings.notes == ()
    findings = started(tmp_path, config, date(2026, 12, 2)).findings
    assert findings.problems == ()
    (note,) = findings.notes
    assert (note.line, note.column) == (4, 14)
    assert "openai/gpt-image-1.5 ended on 2026-12-01" in note.message
    assert "in its place: openai/gpt-image-2" in note.message


@pytest.mark.parametrize("today", [TODAY, date(2026, 12, 2), date(2027, 6, 1)])
async def test_what_ships_starts_on_any_day(today: date) -> None:
    async with Router(clock=DateClock(today), environment={}) as router:
        assert router.findings.problems == ()
        assert (await router.run_route_tests()).problems == ()


async def test_route_tests_say_what_they_got(tmp_path: Path) -> None:
    config = f"""
version: 1
routes:
  - {{name: see-through, when: {{background: transparent}}, prefer: [openai/gpt-image-1.5, openai/gpt-image-2]}}
  - {{name: rest, prefer: [{MODEL}]}}
tests:
  - given: {{prompt: a badge, background: transparent}}
    on: 2026-11-23
    expect: {{rule: see-through, first: openai/gpt-image-1.5, plan: [openai/gpt-image-1.5, {MODEL}]}}
  - given: {{prompt: a badge, background: transparent}}
    on: 2026-12-02
    expect: {{first: openai/gpt-image-1.5}}
  - given: {{prompt: a badge}}
    expect: {{rule: see-through}}
  - given: {{promt: a badge}}
    expect: {{first: {MODEL}}}
  - given: {{prompt: a badge}}
    expect: {{nobody: true}}
  - given: {{prompt: a badge}}
    expect: {{dropped: {{openai/gpt-image-1.5: retired}}}}
  - given: {{prompt: a badge}}
    expect: {{plan: [openai/gpt-image-1.5]}}
"""
    async with started(tmp_path, config) as router:
        problems = (await router.run_route_tests()).problems
        assert [(each.line, each.column) for each in problems] == [(12, 5), (14, 5), (15, 5), (18, 5), (20, 5), (22, 5)]
        said = [each.message for each in problems]
        assert "expected openai/gpt-image-1.5 first, got openai/gpt-image-2 (ended on 2026-12-01" in said[0]
        assert "expected rule 'see-through', got 'rest'" in said[1]
        assert "unknown field 'promt'; did you mean 'prompt'?" in said[2]
        assert "expected nobody, got openai/gpt-image-2" in said[3]
        assert "expected openai/gpt-image-1.5 dropped for retired, got it was not dropped" in said[4]
        assert "expected the plan openai/gpt-image-1.5, got openai/gpt-image-2" in said[5]
