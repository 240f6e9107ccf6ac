"""Refresh or check the vendored front-end files in newsroom/static/vendor/.

Without arguments: fetch the pinned npm packages and rewrite the files and manifest.json (needs npm
and fonttools[woff]). With --check: compare the files with the manifest, without network.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "newsroom" / "static" / "vendor"
MANIFEST = VENDOR / "manifest.json"
CSS = "@digdir/designsystemet-css@1.22.0"
FONT = "@fontsource-variable/schibsted-grotesk@5.3.0"
TOOLBAR = "@github/markdown-toolbar-element@2.2.3"
FILES = {  # vendored file: (package, its source there)
    "designsystemet.css": (CSS, "dist/src/"),
    "designsystemet-theme.css": (CSS, "dist/theme/designsystemet.css"),
    "designsystemet-LICENSE.txt": (CSS, "LICENSE"),
    "schibsted-grotesk.woff2": (FONT, "files/schibsted-grotesk-latin-wght-normal.woff2"),
    "schibsted-grotesk-italic.woff2": (FONT, "files/schibsted-grotesk-latin-wght-italic.woff2"),
    "schibsted-grotesk-OFL.txt": (FONT, "LICENSE"),
    "markdown-toolbar-element.js": (TOOLBAR, "dist/index.js"),
    "markdown-toolbar-element-LICENSE.txt": (TOOLBAR, "LICENSE"),
}
# The parts of dist/src/ that the site uses, in the order and the cascade layers of its own index.css.
BASE = "base heading label paragraph validation-message"
COMPONENTS = (
    "link data-size-workaround button input field fieldset alert skip-link details list card chip divider "
    "pagination tag error-summary table breadcrumbs"
)
UNICODES = "20-7E,A0-AC,AE-FF,2013,2014,2018-201A,201C-201E,2022,2026,2039,203A,20AC,2122,2191,2193,2212"
MADE = {
    "designsystemet.css": f"joined from dist/src/*.css; @layer ds.base: {BASE}; ds.components: {COMPONENTS}",
    "schibsted-grotesk.woff2": f"subset of the font: unicodes {UNICODES}; features kern, tnum; axis wght",
    "schibsted-grotesk-italic.woff2": f"subset of the font: unicodes {UNICODES}; features kern, tnum; wght 400 alone",
}


def read_manifest() -> list[dict[str, str]]:
    """Return the manifest's entries; none when there is no manifest yet."""
    return list(json.loads(MANIFEST.read_text())["files"]) if MANIFEST.exists() else []


def fetch_package(spec: str, folder: Path) -> tuple[str, dict[str, bytes]]:
    """Fetch one package with npm; return its sha512 integrity and its files by path."""
    before = set(folder.iterdir())
    command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", spec]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = set(folder.iterdir()) - before
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    with tarfile.open(tarball) as archive:
        streams = {m.name.partition("/")[2]: archive.extractfile(m) for m in archive if m.isfile()}
        files = {path: stream.read() for path, stream in streams.items() if stream}
    return "sha512-" + base64.b64encode(digest).decode(), files


def bundle_css(files: dict[str, bytes]) -> bytes:
    """Join the style sheets of the wanted components in their cascade layers."""
    layers = f"/*! Part of {CSS}, see designsystemet-LICENSE.txt */\n@layer ds.theme,ds.base,ds.components;\n"
    for layer, names in (("ds.base", BASE), ("ds.components", COMPONENTS)):
        rules = "".join(files[f"dist/src/{name}.css"].decode().strip() for name in names.split())
        layers += f"@layer {layer}{{{rules}}}\n"
    return layers.encode()


def subset_font(font: bytes, folder: Path, *, weight: int | None) -> bytes:
    """Reduce the font to UNICODES, with kerning and tabular figures; fail if it lacks a wanted character.

    A weight keeps that one alone, where the whole axis would cost more than its use.
    """
    source, target = folder / "font.woff2", folder / "subset.woff2"
    source.write_bytes(font)
    if weight is not None:
        pinned = folder / "pinned.ttf"
        command = ["varLib.instancer", str(source), f"wght={weight}", f"--output={pinned}"]
        subprocess.run([sys.executable, "-m", "fontTools", *command], check=True)
        source = pinned
    options = [f"--unicodes={UNICODES}", "--layout-features=kern,tnum", "--no-ignore-missing-unicodes"]
    options += ["--flavor=woff2", "--name-IDs=*", "--no-hinting", f"--output-file={target}"]
    subprocess.run([sys.executable, "-m", "fontTools.subset", str(source), *options], check=True)
    return target.read_bytes()


def refresh_files() -> None:
    """Rebuild every vendored file and the manifest from the npm packages."""
    recorded = {f"{entry['package']}@{entry['version']}": entry["integrity"] for entry in read_manifest()}
    entries, contents = [], {}
    with tempfile.TemporaryDirectory() as name:
        packages = {spec: fetch_package(spec, Path(name)) for spec in (CSS, FONT, TOOLBAR)}
        for path, (spec, source) in FILES.items():
            integrity, files = packages[spec]
            if recorded.get(spec, integrity) != integrity:
                sys.exit(f"vendor: the tarball of {spec} is not the one that the manifest records")
            content = bundle_css(files) if source.endswith("/") else files[source]
            if path.endswith(".woff2"):
                content = subset_font(content, Path(name), weight=400 if "italic" in path else None)
            contents[path] = content
            package, _, version = spec.rpartition("@")
            entry = {"path": path, "package": package, "version": version, "integrity": integrity}
            entry |= {"licence": json.loads(files["package.json"])["license"], "source": source}
            entry |= {"made": MADE[path]} if path in MADE else {}
            entries.append(entry | {"sha256": hashlib.sha256(contents[path]).hexdigest()})
    VENDOR.mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        (VENDOR / path).write_bytes(content)
    MANIFEST.write_text(json.dumps({"files": entries}, indent=2) + "\n")


def find_differences() -> list[str]:
    """Return the vendored files that are changed, missing or not in the manifest."""
    listed = {entry["path"]: entry["sha256"] for entry in read_manifest()}
    found = [path for path in VENDOR.rglob("*") if path.is_file() and path != MANIFEST]
    actual = {str(p.relative_to(VENDOR)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}
    paths = sorted(FILES.keys() | listed.keys() | actual.keys())
    return [path for path in paths if path not in listed or listed[path] != actual.get(path)]


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        differences = ", ".join(find_differences())
        sys.exit(f"vendor: changed, missing or unlisted: {differences}" if differences else 0)
    if not shutil.which("npm") or not find_spec("fontTools") or not find_spec("brotli"):
        sys.exit("vendor: a refresh needs npm on the PATH and 'fonttools[woff]' installed for this Python")
    refresh_files()
