// On a phone the navigation is a line longer than the screen: scrolls to the current page.

const current = document.querySelector(".side [aria-current]");
if (current) {
  const line = current.closest("nav");
  line.scrollLeft = current.offsetLeft - line.offsetLeft - (line.clientWidth - current.offsetWidth) / 2;
}
