"use strict";

/* NiiVue draws the surfaces, and on demand the CT in three planes. All have the RAS
   millimetres of the scanner. */
(() => {
  const find = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(find(id).textContent);
  const surfaces = read("data-surfaces");
  if (!surfaces.length) return;
  if (!document.createElement("canvas").getContext("webgl2")) {
    find("no-webgl").hidden = false;
    return;
  }
  find("turn").hidden = false;

  /* Azimuth and elevation in degrees. */
  const VIEWS = {
    front: [180, 0],
    behind: [0, 0],
    right: [270, 0],
    left: [90, 0],
    head: [180, 90],
  };

  const viewer = new niivue.Niivue({
    backColor: [0, 0, 0, 1],
    crosshairWidth: 0.5,
    dragAndDropEnabled: false,
    fontColor: [0.85, 0.85, 0.85, 1],
    isRadiologicalConvention: true,
    loadingText: "",
    logLevel: "warn",
    meshThicknessOn2D: 0,
    multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
    show3Dcrosshair: false,
    showAllOrientationMarkers: true,
    sliceType: niivue.SLICE_TYPE.RENDER,
  });

  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

  const addSurface = async ({ name, title, colour, file }) => {
    const mesh = await niivue.NVMesh.readMesh(
      bytes(file).buffer,
      `${name}.mz3`,
      viewer.gl,
      1,
      new Uint8Array([...colour, 255]),
    );
    viewer.addMesh(mesh);
    const box = document.createElement("label");
    const input = document.createElement("input");
    input.type = "checkbox";
    input.checked = true;
    input.addEventListener("change", () =>
      viewer.setMeshProperty(mesh.id, "visible", input.checked),
    );
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = `rgb(${colour.join(",")})`;
    box.append(input, swatch, title);
    find("shown").append(box);
  };

  const look = (view) => viewer.setRenderAzimuthElevation(...VIEWS[view]);

  /* The CT hides surfaces in 3D, and their cuts are thin: each has the canvas for
     itself, and the label map tints the planes. */
  const decoded = (base64, name) =>
    niivue.NVImage.loadFromBase64({ base64, name: `${name}.nii.gz` });

  const colours = () => {
    const all = [{ number: 0, colour: [0, 0, 0], title: "" }, ...surfaces];
    return {
      I: all.map((one) => one.number),
      R: all.map((one) => one.colour[0]),
      G: all.map((one) => one.colour[1]),
      B: all.map((one) => one.colour[2]),
      A: all.map((one) => (one.number ? 255 : 0)),
      labels: all.map((one) => one.title),
    };
  };

  let loaded = null;
  const load = async () => {
    const { ct, labels, middle_mm: middle } = read("data-volumes");
    const volumes = [await decoded(ct, "ct"), await decoded(labels, "labels")];
    volumes[1].setColormapLabel(colours());
    volumes[1].opacity = 0.35;
    return { volumes, middle };
  };

  const showPlanes = async (wanted) => {
    find("ct").setAttribute("aria-pressed", String(wanted));
    if (wanted) {
      const first = !loaded;
      loaded ??= await load();
      for (const volume of loaded.volumes) viewer.addVolume(volume);
      if (first) viewer.scene.crosshairPos = viewer.mm2frac(loaded.middle);
      viewer.setSliceType(niivue.SLICE_TYPE.MULTIPLANAR);
    } else {
      for (const volume of loaded.volumes) viewer.removeVolume(volume);
      viewer.setSliceType(niivue.SLICE_TYPE.RENDER);
    }
  };

  const start = async () => {
    await viewer.attachToCanvas(find("scene"));
    for (const surface of surfaces) await addSurface(surface);
    look("front");
    find("views").addEventListener("click", async (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const pressed = button.getAttribute("aria-pressed") === "true";
      if (button.id === "ct") await showPlanes(!pressed);
      else {
        if (viewer.volumes.length) await showPlanes(false);
        look(button.dataset.view);
      }
    });
    find("scene").dataset.ready = "true";
  };
  start();
})();
