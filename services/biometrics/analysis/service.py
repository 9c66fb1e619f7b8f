"""Analyses of what was captured, as steps of the face check: a crash repeats them, and a surge queues them."""

from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from libs.common.core.errors import Retryable
from libs.common.core.values import Clock
from libs.common.delivery.aggregates import Aggregates
from services.biometrics.analysis.pipeline import AnalysisFailed, Pipeline
from services.biometrics.analysis.queue import AnalysisQueue
from services.biometrics.check import domain
from services.biometrics.check.parts import Source
from services.biometrics.check.records import AnalysisOutcome
from services.biometrics.check.states import CheckAnalysing, CheckRules, CheckState
from services.biometrics.metrics import FaceMetrics

log = structlog.get_logger()

ANALYSIS_LEASE: Final = timedelta(minutes=2)
"""How long an analysis of all captures of a try may take before another process begins it anew."""


class CheckAnalysis:
    """Analyses the captures of face checks.

    Args:
        checks: per journey.
    """

    def __init__(
        self,
        checks: Aggregates[CheckState],
        pipeline: Pipeline,
        queue: AnalysisQueue,
        *,
        rules: CheckRules,
        clock: Clock,
        new_challenge: domain.NewChallenge,
        metrics: FaceMetrics,
    ) -> None:
        self._checks = checks
        self._pipeline = pipeline
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._new_challenge = new_challenge
        self._metrics = metrics

    async def analyse(self, journey_id: str, state: CheckAnalysing) -> None:
        """Analyse the captures of one try, and take in what comes of it."""
        try:
            outcome = await self._pipeline.run(journey_id, state, partial(self._begin_stage, journey_id, state))
        except AnalysisFailed as failed:
            await self._broke(journey_id, state, failed)
        else:
            await self._done(journey_id, outcome)

    async def count_waiting(self) -> None:
        """Set the metrics of how many face checks wait for analysis, and how many for a clerk."""
        self._metrics.face_checks_waiting.labels("worker").set(await self._queue.length())
        self._metrics.face_checks_waiting.labels("clerk").set(await self._checks.count({"kind": "in_review"}))

    async def _broke(self, journey_id: str, state: CheckAnalysing, failed: AnalysisFailed) -> None:
        failure = type(failed.__cause__).__name__
        log.warning("analysis.broke", subject=journey_id, failure=failure, times=state.analyses + 1)
        self._metrics.face_analyses.labels("broken").inc()

        def decide(present: CheckState | None) -> domain.Result | None:
            return domain.analysis_broke(
                present, failed.parts, self._new_challenge, rules=self._rules, now=self._clock()
            )

        await self._checks.apply(journey_id, decide)

    async def _done(self, journey_id: str, outcome: AnalysisOutcome) -> None:
        log.info("analysis.done", subject=journey_id, band=outcome.record.band, reasons=outcome.record.reasons)
        self._metrics.face_analyses.labels(outcome.record.band).inc()

        def decide(present: CheckState | None) -> domain.Result | None:
            return domain.conclude(present, outcome, self._new_challenge, rules=self._rules, now=self._clock())

        await self._checks.apply(journey_id, decide)

    async def _begin_stage(self, journey_id: str, analysed: CheckAnalysing, stage: Source) -> None:
        """Let the citizen see what is being analysed, at whichever instance they ask."""
        until = self._clock() + ANALYSIS_LEASE
        with suppress(Retryable):  # what is shown meanwhile is not worth an analysis
            await self._checks.apply(
                journey_id, lambda state: domain.begin_stage(state, analysed.captures, stage, until)
            )
