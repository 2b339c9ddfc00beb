// The page's files by #embed, which clang has before C23 as well; a file more is two entries here.

#include "studio_site.h"

#include <stddef.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char index_html[] = {
#embed "site/index.html"
};
static const unsigned char style_css[] = {
#embed "site/style.css"
};
static const unsigned char uplot_css[] = {
#embed "site/uplot.css"
};
static const unsigned char uplot_js[] = {
#embed "site/uplot.js"
};
static const unsigned char uplot_license_txt[] = {
#embed "site/uplot-license.txt"
};
static const unsigned char app_js[] = {
#embed "site/app.js"
};
static const unsigned char core_js[] = {
#embed "site/core.js"
};
static const unsigned char runs_js[] = {
#embed "site/runs.js"
};
static const unsigned char runlog_js[] = {
#embed "site/runlog.js"
};
static const unsigned char plot_js[] = {
#embed "site/plot.js"
};
static const unsigned char run_js[] = {
#embed "site/run.js"
};
static const unsigned char viewer_js[] = {
#embed "site/viewer.js"
};
static const unsigned char form_js[] = {
#embed "site/form.js"
};
static const unsigned char new_js[] = {
#embed "site/new.js"
};
static const unsigned char compare_js[] = {
#embed "site/compare.js"
};
static const unsigned char darkroom_js[] = {
#embed "site/darkroom.js"
};
static const unsigned char faces_js[] = {
#embed "site/faces.js"
};
static const unsigned char models_js[] = {
#embed "site/models.js"
};
static const unsigned char queue_js[] = {
#embed "site/queue.js"
};

#define FILE_ENTRY(symbol, file) {file, symbol, sizeof(symbol)}
static const studio_site_entry entries[] = {
    FILE_ENTRY(index_html, "index.html"),
    FILE_ENTRY(style_css, "style.css"),
    FILE_ENTRY(uplot_css, "uplot.css"),
    FILE_ENTRY(uplot_js, "uplot.js"),
    FILE_ENTRY(uplot_license_txt, "uplot-license.txt"),
    FILE_ENTRY(app_js, "app.js"),
    FILE_ENTRY(core_js, "core.js"),
    FILE_ENTRY(runs_js, "runs.js"),
    FILE_ENTRY(runlog_js, "runlog.js"),
    FILE_ENTRY(plot_js, "plot.js"),
    FILE_ENTRY(run_js, "run.js"),
    FILE_ENTRY(viewer_js, "viewer.js"),
    FILE_ENTRY(form_js, "form.js"),
    FILE_ENTRY(new_js, "new.js"),
    FILE_ENTRY(compare_js, "compare.js"),
    FILE_ENTRY(darkroom_js, "darkroom.js"),
    FILE_ENTRY(faces_js, "faces.js"),
    FILE_ENTRY(models_js, "models.js"),
    FILE_ENTRY(queue_js, "queue.js"),
};

uint32_t studio_site_count(void) { return sizeof(entries) / sizeof(entries[0]); }

studio_site_entry studio_site_file(uint32_t index) {
  studio_site_entry none = {NULL, NULL, 0};
  return index < studio_site_count() ? entries[index] : none;
}
