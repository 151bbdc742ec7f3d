// On a phone the pages stand in a line that is longer than the screen: begin where one is.

const here = document.querySelector(".side [aria-current]");
if (here) {
  const line = here.closest("nav");
  line.scrollLeft = here.offsetLeft - line.offsetLeft - (line.clientWidth - here.offsetWidth) / 2;
}
