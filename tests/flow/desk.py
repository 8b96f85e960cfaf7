"""Where stories that move no parts are played: a ``Transfer`` whose control requests a store answers at once,
and a clock that jumps to the next deadline when there is nothing to answer."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape

from gof3r.engine.errors import Gof3rError
from gof3r.engine.flow.dispatch import Dispatch
from gof3r.engine.flow.events import Action, Event, Finish, Hush, Send, Show, Silent, Warn
from gof3r.engine.flow.feed import NoParts
from gof3r.engine.flow.signers import Signer, Signers
from gof3r.engine.flow.transfer import Transfer
from gof3r.engine.flow.verify import judge
from gof3r.engine.s3.request import encode
from gof3r.engine.values import Failure, Job, Outcome, Request, Response
from tests.flow.scripts import Script, honest
from tests.flow.store import Store, error
from tests.flow.world import Told

DATE = "2024-05-06T07:08:09.000Z"
EPOCH = 1714979289.0
"""The same, in seconds."""


class Bucket(Store):
    """A store that also deletes and lists, ``page`` entries at a time. ``began``: each upload's key, id and
    date, in S3's order."""

    def __init__(self, page: int = 1000) -> None:
        super().__init__()
        self.page = page
        self.began: list[tuple[str, str, str]] = []
        self.versions: list[tuple[str, str, str]] = []
        """Key, version id, and Version or DeleteMarker."""
        self.kept: set[str] = set()
        """Keys that may not be deleted."""

    def answer(self, request: Request, headers: dict[str, str], body: bytes, length: int) -> Response:  # type: ignore[override]
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        match request.operation:
            case "delete_object":
                self.objects.pop(request.path, None)
                return Response(204, {})
            case "list_object_versions":
                return self._list_versions(query)
            case "delete_objects":
                return self._delete(body)
            case "list_objects":
                return self._list_objects(query)
            case "list_multipart_uploads":
                return self._list_uploads(query)
            case "abort_multipart_upload":
                left = [upload for upload in self.began if upload[1] != query["uploadId"]]
                known, self.began = len(left) < len(self.began), left
                return Response(204, {}) if known else error(404, "NoSuchUpload")
            case "list_parts":
                known = query["uploadId"] in [upload[1] for upload in self.began]
                return Response(200, {}) if known else error(404, "NoSuchUpload")
        return super().answer(request, headers, body, length)

    def _list_objects(self, query: dict[str, str]) -> Response:
        prefix, token = query["prefix"], unquote(query.get("continuation-token", ""))
        keys = sorted(path.removeprefix("/bucket/") for path in self.objects)
        keys = [key for key in keys if key.startswith(prefix) and key > token]
        xml = "".join(
            f"<Contents><Key>{encode(key)}</Key><Size>{len(self.objects[f'/bucket/{key}'].data)}</Size>"
            f"<ETag>&quot;{self.objects[f'/bucket/{key}'].etag}&quot;</ETag>"
            f"<LastModified>{DATE}</LastModified></Contents>"
            for key in keys[: self.page]
        )
        after = ""
        if len(keys) > self.page:
            after = f"<NextContinuationToken>{encode(keys[self.page - 1])}</NextContinuationToken>"
        return self._listing("ListBucketResult", f"<EncodingType>url</EncodingType>{xml}", after)

    def _list_versions(self, query: dict[str, str]) -> Response:
        meant = [entry for entry in sorted(self.versions) if entry[0].startswith(query["prefix"])]
        xml = "".join(
            f"<{kind}><Key>{encode(key)}</Key><VersionId>{version}</VersionId></{kind}>"
            for key, version, kind in meant[: self.page]
        )
        after = "<NextKeyMarker>k</NextKeyMarker>" if len(meant) > self.page else ""
        return self._listing("ListVersionsResult", f"<EncodingType>url</EncodingType>{xml}", after)

    def _delete(self, body: bytes) -> Response:
        for entry in fromstring(body).findall("{*}Object"):
            key, version = entry.findtext("{*}Key", ""), entry.findtext("{*}VersionId", "")
            if key in self.kept:
                refused = (
                    f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code><Message>No</Message></Error>"
                )
                return Response(200, {}, f"<DeleteResult>{refused}</DeleteResult>".encode())
            self.versions = [each for each in self.versions if each[:2] != (key, version)]
            self.objects.pop(f"/bucket/{key}", None)
        return Response(200, {}, b"<DeleteResult/>")

    def _list_uploads(self, query: Mapping[str, str]) -> Response:
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        meant = [u for u in sorted(self.began) if u[0].startswith(query["prefix"]) and u[:2] > marker]
        xml = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{name}</UploadId><Initiated>{date}</Initiated></Upload>"
            for key, name, date in meant[: self.page]
        )
        after = ""
        if len(meant) > self.page:
            key, name, _ = meant[self.page - 1]
            after = (
                f"<NextKeyMarker>{escape(key)}</NextKeyMarker><NextUploadIdMarker>{name}</NextUploadIdMarker>"
            )
        return self._listing("ListMultipartUploadsResult", xml, after)

    @staticmethod
    def _listing(root: str, entries: str, after: str) -> Response:
        said = f"<IsTruncated>{'true' if after else 'false'}</IsTruncated>{after}"
        return Response(200, {}, f"<{root}>{said}{entries}</{root}>".encode())


class Desk:
    """``on`` scripts what comes of single requests; all others go well. ``log`` has each request's operation
    and key."""

    def __init__(self, story: Told, store: Store, attempts: int = 3) -> None:
        self.store = store
        self.shown: list[object] = []
        self.warnings: list[str] = []
        self.log: list[str] = []
        self.jobs: list[Job] = []
        self.finish: Finish | None = None
        self.now = 1000.0
        self._scripts: dict[str, list[Script]] = {}
        self._events: list[Event] = []
        signers = Signers({"main": Signer(None), "source": Signer(None)})
        dispatch = Dispatch(
            name=story.name,
            signers=signers,
            workers=1,
            concurrency=1,
            attempts=attempts,
            random=lambda: 0.5,
        )
        self._transfer = Transfer(story.name, story.story(), NoParts(), dispatch, signers)

    def on(self, what: str, *scripts: Script) -> Desk:
        """The next requests that ``log`` has as ``what`` go as ``scripts`` say, those after them well."""
        self._scripts.setdefault(what, []).extend(scripts)
        return self

    def run(self) -> Desk:
        self._do(self._transfer.start(self.now))
        while self.finish is None:
            assert len(self.log) < 1000, "the story does not come to an end"
            if self._events:
                self._do(self._transfer.handle(self._events.pop(0), self.now))
            else:
                deadline = self._transfer.deadline()
                assert deadline is not None, "nothing can happen"
                self.now = max(self.now, deadline)
                self._do(self._transfer.handle(None, self.now))
        return self

    def happens(self, event: Event) -> None:
        """Next, before anything that is under way."""
        self._events.insert(0, event)

    @property
    def result(self) -> object:
        assert self.finish is not None
        if self.finish.error is not None:
            raise self.finish.error
        return self.finish.result

    @property
    def error(self) -> str:
        assert self.finish is not None and isinstance(self.finish.error, Gof3rError), self.finish
        return str(self.finish.error)

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(_, job):
                    self._serve(job)
                case Show(value):
                    self.shown.append(value)
                case Hush():  # there are no part workers
                    self._events.append(Silent())
                case Warn(text):
                    self.warnings.append(text)
                case Finish():
                    self.finish = action

    def _serve(self, job: Job) -> None:
        request = job.request
        what = f"{request.operation} {request.path.removeprefix('/bucket/')}".strip()
        self.log.append(what)
        self.jobs.append(job)
        scripts = self._scripts.get(what)
        script = scripts.pop(0) if scripts else honest
        headers = {name.lower(): value for name, value in request.headers}
        result = script(lambda: self.store.answer(request, headers, request.body, len(request.body)))
        if isinstance(result, Failure):
            outcome = Outcome(job, 0, failure=result)
        else:
            assert isinstance(result, Response)
            if request.method == "HEAD":
                result = Response(result.status, result.headers)
            outcome = Outcome(job, 0, result)
        self._events.append(judge(outcome))
